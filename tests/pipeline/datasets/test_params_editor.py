"""Entries are added to params.yaml and removed, and nothing else in the file changes."""

from pathlib import Path

import pytest
import yaml

from pipeline.datasets import params_editor
from pipeline.datasets.params_editor import Entry
from stages import InputError, params
from tests.miniature import agreed

ROOT = Path(__file__).parents[3]
HEAD = "samples: {}\n# who\nvideos: # files\n  ava: {file: a.mp4, preset: demo}\n"
TAIL = "subjects:\n  ava: {preset: demo}\ntransfers: {}\n"


@pytest.fixture(scope="module")
def presets() -> str:
    content = params.load(ROOT / "params.yaml").model_dump(mode="json")["presets"]["demo"]
    return yaml.safe_dump({"threads": "auto", "presets": {"demo": content}})


@pytest.fixture
def file(tmp_path, presets):
    """A function that writes params.yaml: presets, and this text."""
    def write(text: str) -> Path:
        path = tmp_path / "params.yaml"
        end = "\r\n" if "\r\n" in text else "\n"
        path.write_bytes((presets.replace("\n", end) + text).encode())
        return path
    return write


def ben(**more) -> Entry:
    return Entry.one_line("videos", "ben", file="b c.mp4", preset="demo", **more)


LINE = "ben: {file: b c.mp4, preset: demo}"


@pytest.mark.parametrize("text, before", [
    (HEAD + TAIL, HEAD),
    (HEAD + "\n\n# people\n" + TAIL, HEAD),                                       # the comment belongs to the next block
    (HEAD + "  # cleo: {file: c.mp4}\n\n# people\n" + TAIL, HEAD + "  # cleo: {file: c.mp4}\n"),
    ((HEAD + "\n# people\n" + TAIL).replace("\n", "\r\n"), HEAD.replace("\n", "\r\n")),
    (HEAD.replace("  ava", "    ava") + TAIL, HEAD.replace("  ava", "    ava")),  # indented by four
    (TAIL + HEAD.rstrip("\n"), TAIL + HEAD.rstrip("\n")),                         # last, without a newline at the end
    (TAIL + HEAD + "# the end", TAIL + HEAD),
    (HEAD.replace("{file: a.mp4, preset: demo}", "\n    file: a.mp4 # hers\n    preset: demo") + TAIL, None),
    (HEAD + '  "dan": {file: d.mp4, preset: demo}\n' + TAIL, HEAD + '  "dan": {file: d.mp4, preset: demo}\n'),
], ids=["plain", "comment", "own comment", "CRLF", "four", "last", "end", "nested", "quoted"])
def test_every_other_byte_stays(file, text, before):
    path = file(text)
    old, before = path.read_bytes(), before or text.removesuffix(TAIL)
    assert params_editor.add([ben()], path) == [ben()]
    new = path.read_bytes()
    end = "\r\n" if "\r\n" in text else "\n"
    indent = "    " if "    ava" in text else "  "
    added = ("" if before.endswith("\n") else end) + indent + LINE + end
    assert new == old.replace(before.encode(), (before + added).encode())
    assert params.load(path).videos["ben"].file == "b c.mp4"
    assert params_editor.add([ben()], path) == [] and path.read_bytes() == new  # it exists already


def test_entries_of_several_blocks(tmp_path):
    path = tmp_path / "params.yaml"
    old = (ROOT / "params.yaml").read_text()
    path.write_text(old)
    wanted = [Entry.one_line("transfers", "ben_from_ben", target="ben", source="ben", preset="demo", truth="b: #1.mp4"),
              Entry.one_line("subjects", "ben", preset="demo", consent=agreed('Ben said "yes", 2026: é'))]
    assert params_editor.add(wanted, path) == wanted
    config, lines = params.load(path), path.read_text().splitlines()
    assert config.subjects["ben"].consent.record == 'Ben said "yes", 2026: é'
    assert config.transfers["ben_from_ben"].truth == "b: #1.mp4"
    assert [line for line in lines if not line.strip().startswith(("ben: {preset", "ben_from_ben"))] == old.splitlines()


def test_a_name_that_yaml_would_read_as_a_boolean_is_quoted(file):
    path = file(HEAD + TAIL)
    params_editor.add([Entry.one_line("videos", "no", file="no.mp4", preset="demo")], path)
    assert params.load(path).videos["no"].file == "no.mp4"


@pytest.mark.parametrize("text, message", [
    (HEAD.replace("# files\n  ava", "{ava").replace("demo}\n", "demo}}\n") + TAIL, "cannot add to `videos`"),
    ('samples: {}\n"videos":\n  ava: {file: a.mp4, preset: demo}\n' + TAIL, "cannot add to `videos`"),
    (HEAD + "  ben: {file: other.mp4, preset: demo}\n" + TAIL, "videos.ben: exists already with other values"),
    (HEAD + "  ben: {file: b c.mp4, preset: demo, start: 2}\n" + TAIL, "videos.ben: exists already with other values"),
])
def test_an_uneditable_block_is_left_unchanged(file, text, message):
    path = file(text)
    old = path.read_bytes()
    with pytest.raises(InputError, match=message):
        params_editor.add([ben()], path)
    assert path.read_bytes() == old and list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("entry, message", [
    (Entry.one_line("videos", "ben", file="b.mp4", preset="best"), "params.yaml:(.|\n)*videos.ben.preset: no preset"),
    (Entry.one_line("videos", "Ben", file="b.mp4", preset="demo"), "params.yaml:(.|\n)*videos.Ben"),
    (Entry.one_line("subjects", "ben", preset="demo"), "subjects.ben: no video of that name"),
    (Entry.one_line("videos", "samples", file="b.mp4", preset="demo"), "videos.samples: the name is taken"),
])
def test_an_invalid_file_is_not_written(file, entry, message):
    path = file(HEAD + TAIL)
    old = path.read_bytes()
    with pytest.raises(InputError, match=message) as error:
        params_editor.add([entry], path)
    assert path.read_bytes() == old and list(path.parent.iterdir()) == [path]
    assert f".{path.stem}." not in str(error.value)  # the temporary file's name


@pytest.mark.parametrize("text, names, left", [
    ("videos:\n  a: {b: 1}\n  c: 2 # c\n\nnext: 3\n", {"videos": ["a"]}, "videos:\n  c: 2 # c\n\nnext: 3\n"),
    ("videos: # who\n  a:\n    b: 1\n    c: [1,\n      2]\n  # of d\n  d: 4\n", {"videos": ["a"]}, "videos: # who\n  # of d\n  d: 4\n"),
    ("videos:\n    'a': 1\nnext: 3\n", {"videos": ["a"]}, "videos: {}\nnext: 3\n"),
    ("videos:\r\n  ab: 1\r\n  a: 2\r\n", {"videos": ["a"]}, "videos:\r\n  ab: 1\r\n"),
    ("a:\n  x: 1\n  y: 2\nb:\n  x: 3\n", {"a": ["y", "x"], "b": ["x"]}, "a: {}\nb: {}\n"),
])
def test_removing_entries(tmp_path, text, names, left):
    path = tmp_path / "params.yaml"
    path.write_text(text, newline="")
    params_editor.remove(names, path)
    assert path.read_bytes() == left.encode()


@pytest.mark.parametrize("text", ["videos: {a: 1, b: 2}\n", "videos:\n  a: &x {f: 1}\n  b: *x\n"])
def test_an_entry_that_cannot_be_removed_is_named(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match="cannot remove videos.a"):
        params_editor.remove({"videos": ["a"]}, path)
    assert path.read_text() == text


def test_adding_to_an_empty_block(file):
    path = file(HEAD + TAIL)
    params_editor.add([Entry.one_line("transfers", "one", target="ava", source="ava", preset="demo", truth="x.mp4")], path)
    assert list(params.load(path).transfers) == ["one"] and "transfers:\n" in path.read_text()
