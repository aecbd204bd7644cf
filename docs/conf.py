"""The two READMEs and the pages of docs/ as one site: `make docs`. A broken link is an error."""

project = "FakeMotion"
author = "the FakeMotion contributors"
extensions = ["myst_parser"]
root_doc = "README"  # of the repository, whose root is Sphinx's source folder
include_patterns = ["README.md", "docs/*.md", "artifacts/README.md"]
exclude_patterns = [".*", "artifacts/*/*", "docs/_build", "docs/_links", "weights"]
myst_heading_anchors = 3  # what `page.md#a-heading` leads to
html_theme = "furo"
html_title = "FakeMotion"
html_copy_source = False
html_show_copyright = False
html_static_path = ["site"]
html_css_files = ["wide.css"]
smartquotes = False  # would make a dash of the -- of a command
linkcheck_timeout = 30  # seconds

PAGES = {
    "Use": ["docs/filming", "docs/estimators", "docs/workers", "docs/offline", "artifacts/README"],
    "Method and results": ["docs/facts", "docs/figures", "docs/results", "docs/experiments"],
    "Implementation": ["docs/design"],
}


def setup(app):
    app.connect("source-read", _with_contents)


def _with_contents(_, page: str, source: list[str]) -> None:
    """The README has a table of contents here only."""
    if page == root_doc:
        source[0] += "".join(
            f"\n```{{toctree}}\n:caption: {title}\n:hidden:\n\n" + "\n".join(pages) + "\n```\n" for title, pages in PAGES.items())
