"""The two READMEs and the pages of docs/ as one site: `make docs`. A link that leads nowhere stops it."""

project = "FakeMotion"
author = "the FakeMotion contributors"
extensions = ["myst_parser"]
root_doc = "README"  # of the repository, whose root is Sphinx's source folder
include_patterns = ["README.md", "docs/*.md", "artifacts/README.md"]
exclude_patterns = [".*", "artifacts/*/*", "docs/_build", "weights"]
myst_heading_anchors = 3  # what `page.md#a-heading` leads to
html_theme = "furo"
html_title = "FakeMotion"
html_copy_source = False

PAGES = {
    "Using it": ["docs/filming", "docs/workers", "docs/offline", "artifacts/README"],
    "The method": ["docs/facts", "docs/results", "docs/experiments"],
    "Inside": ["docs/design"],
}


def setup(app):
    app.connect("source-read", _with_contents)


def _with_contents(_, page: str, source: list[str]) -> None:
    """The README has a table of contents here only."""
    if page == root_doc:
        source[0] += "".join(
            f"\n```{{toctree}}\n:caption: {title}\n:hidden:\n\n" + "\n".join(pages) + "\n```\n" for title, pages in PAGES.items())
