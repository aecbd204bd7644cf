"""The pages build as one site, a link that leads nowhere is noticed, and what they tell a reader to type exists."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipeline import cli
from stages import layout, params

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "artifacts/README.md", *sorted(ROOT.glob("docs/*.md"))]


def build(source: Path, site: Path) -> subprocess.CompletedProcess:
    options = ["--fail-on-warning", "--keep-going", "--quiet", "-d", str(site / "trees"), "-c", str(source / "docs")]
    command = [sys.executable, "-m", "sphinx", *options, str(source), str(site)]
    return subprocess.run(command, capture_output=True, text=True)


def test_every_link_of_the_pages_leads_somewhere(tmp_path):
    done = build(ROOT, tmp_path)
    assert done.returncode == 0, done.stderr
    home = (tmp_path / "README.html").read_text()
    for page in [page.relative_to(ROOT).with_suffix("").as_posix() for page in PAGES[1:]]:
        assert f'href="{page}.html"' in home and (tmp_path / f"{page}.html").exists(), page


def test_a_link_that_leads_nowhere_is_noticed(tmp_path):
    copy = tmp_path / "copy"
    for page in (*PAGES, ROOT / "docs/conf.py", ROOT / "docs/demo.png", ROOT / "docs/site/wide.css"):
        (copy / page.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(page, copy / page.relative_to(ROOT))
    nowhere = ("docs/nowhere.md", "docs/design.md#no-such-heading", "artifacts/nothing.md")
    with (copy / "README.md").open("a") as readme:
        readme.writelines(f"\n[there]({link})\n" for link in nowhere)
    done = build(copy, tmp_path / "site")
    warnings = re.findall("WARNING: (.*not found.*)", done.stderr)
    assert done.returncode and len(warnings) == len(nowhere) and done.stderr.count("WARNING") == len(nowhere), done.stderr


def typed() -> list[str]:
    """What the pages tell to type after `python -m pipeline`."""
    text = "\n".join(page.read_text() for page in PAGES)
    found = re.findall(r"`(?:[A-Z_0-9]+=\S+ )?python -m pipeline ([^`]+)`", text)
    return sorted(set(found) | set(re.findall(r"^python -m pipeline ([^#\n]+)", text, re.MULTILINE)))


@pytest.mark.parametrize("line", typed())
def test_commands_of_the_pages_are_understood(line, monkeypatch):
    words = shlex.split(line)
    monkeypatch.setattr(sys, "argv", ["pipeline", *words, *(["--help"] if len(words) == 1 else [])])  # a name alone
    try:
        cli.arguments()
    except SystemExit as ended:
        assert ended.code == 0, line


def test_the_commands_of_make_that_the_pages_name_exist():
    rules = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {rule for page in PAGES for rule in re.findall(r"(?:`|^)make ([\w-]+)", page.read_text(), re.MULTILINE)}
    assert {"demo", "test", "test-faults", "studio"} <= named <= rules


def test_the_entries_of_the_readme_are_accepted(tmp_path):
    entries = yaml.safe_load(re.search(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1])
    config = yaml.safe_load((ROOT / "params.yaml").read_text())
    for block, named in entries.items():
        config[block] |= named
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(config))
    read = params.load(tmp_path / "params.yaml")
    assert read.subjects["ana"].require_consent("ana") and read.entry("report", "ana_from_cho").truth is None


def test_the_figure_of_the_readme_shows_every_stage():
    figure = re.search(r"## How it works\n```\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    assert set(re.findall(r"\w+", figure)) - {"target", "source"} == set(layout.KINDS) - {"samples"}


def test_the_artifacts_readme_tells_who_writes_and_reads_every_file():
    text, documented = (ROOT / "artifacts/README.md").read_text(), {}
    for file, writer, readers in re.findall(r"^\| `<\w+>/([^`]+?)/?` \|.*\| (\w+) \| ([^|]+) \|$", text, re.MULTILINE):
        named = set(re.findall(r"\w+", re.sub("`[^`]*`", "", readers))) & set(layout.KINDS)
        later = set(list(layout.KINDS)[list(layout.KINDS).index(writer) + 1 :])
        documented[file] = writer, later - named if readers.startswith("all later stages") else named
    wanted = {}
    for writer in list(layout.KINDS)[1:]:
        for output, file in layout.OUTPUTS[writer].items():
            readers = {stage for stage, reads in layout.INPUTS.items()
                       if any(read[:2] == (writer, output) for read in reads.values())}
            wanted[file.removeprefix("{key}/")] = writer, readers
    assert documented == wanted
