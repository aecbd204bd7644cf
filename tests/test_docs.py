"""The pages build as one site, and a link that leads nowhere is noticed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def build(source: Path, site: Path) -> subprocess.CompletedProcess:
    options = ["--fail-on-warning", "--keep-going", "--quiet", "-d", str(site / "trees"), "-c", str(source / "docs")]
    return subprocess.run([sys.executable, "-m", "sphinx", *options, str(source), str(site)], capture_output=True, text=True)


def test_every_link_of_the_pages_leads_somewhere(tmp_path):
    done = build(ROOT, tmp_path)
    assert done.returncode == 0, done.stderr
    home = (tmp_path / "README.html").read_text()
    for page in ("docs/filming", "docs/workers", "docs/offline", "artifacts/README", "docs/design"):
        assert f'href="{page}.html"' in home and (tmp_path / f"{page}.html").exists()


@pytest.mark.parametrize("link", ["docs/nowhere.md", "docs/design.md#no-such-heading", "artifacts/nothing.md"])
def test_a_link_that_leads_nowhere_is_noticed(tmp_path, link):
    for folder in ("docs", "artifacts"):
        (tmp_path / "copy" / folder).mkdir(parents=True)
    for page in ("README.md", "artifacts/README.md", "docs/conf.py", *(f"docs/{file.name}" for file in ROOT.glob("docs/*.[mp]*"))):
        shutil.copy(ROOT / page, tmp_path / "copy" / page)
    assert build(tmp_path / "copy", tmp_path / "site").returncode == 0
    with (tmp_path / "copy/README.md").open("a") as readme:
        readme.write(f"\n[there]({link})\n")
    done = build(tmp_path / "copy", tmp_path / "site")
    assert done.returncode and "not found" in done.stderr, done.stderr
