"""YAML of strangers: bombs, tags, nonsense."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from stages import InputError, documents

ROOT = Path(__file__).parents[2]
LAUGHS = "a: &a [" + "x," * 10 + "]\n" + "".join(
    f"{b}: &{b} [{','.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdefghi", "bcdefghij"))
MERGES = "a: &a {k: 1}\n" + "".join(
    f"{b}: &{b} {{<<: [{','.join([f'*{a}'] * 10)}]}}\n" for a, b in zip("abcdefghi", "bcdefghij"))
CHAIN = "a0: &a0 [x]\n" + "".join(f"a{i + 1}: &a{i + 1} [*a{i}]\n" for i in range(1200))


@pytest.mark.parametrize("text, told", [
    (LAUGHS, "aliases"), (MERGES, "aliases"), ("a: &a [*a]", "aliases"), (CHAIN, "aliases"),
    ("[" * 500_000 + "]" * 500_000, "in one another"), ("{a: " * 500_000, "in one another"),
    ("a: !!python/object/apply:os.system ['touch pwned']", "constructor"),
    ("a: !!python/name:os.system", "constructor"),
    ("a: " + "9" * 10_000, "digits"), ("a: [", "flow"), ("a: \0", "unacceptable"), (b"a: \xff", "UTF-8"),
    ("? [a]\n: 1", "unhashable"), ("--- a\n--- b", "document"),
], ids=["laughs", "merges", "itself", "chain", "deep", "deep and open", "call", "name", "digits", "open", "zero",
        "bytes", "key", "two"])
def test_what_would_harm_is_refused_at_once(tmp_path, text, told):
    """In a process of its own, which may neither crash nor take memory or time."""
    (tmp_path / "a.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    code = """if True:
        import resource, sys
        from stages import InputError, params
        from pathlib import Path
        resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
        resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
        try:
            params.load(Path(sys.argv[1]))
        except InputError as error:
            print(error)"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.yaml")], cwd=ROOT, capture_output=True,
                          text=True)
    assert done.returncode == 0 and done.stdout.startswith(f"{tmp_path}/a.yaml: "), done.stderr[-500:]
    assert told in done.stdout and len(done.stdout) < 1000
    assert not (ROOT / "pwned").exists()


@pytest.mark.parametrize("text", ["", "# nothing\n", "a: 1\n", "a: &a {b: [1, 2.5, null, yes]}\nc: {<<: *a, d: x}\n"])
def test_everything_else_is_read_as_yaml_reads_it(tmp_path, text):
    (tmp_path / "a.yaml").write_text(text)
    assert documents.load(tmp_path / "a.yaml") == yaml.safe_load(text)


def test_the_repositorys_own_file_is_read_as_yaml_reads_it():
    assert documents.load(ROOT / "params.yaml") == yaml.safe_load((ROOT / "params.yaml").read_text())


def test_as_many_people_as_a_fleet_takes_are_few(tmp_path):
    people = "".join(f"  p{i}: {{<<: *one, file: clips/{i}.mp4}}\n" for i in range(3000))
    (tmp_path / "a.yaml").write_text(f"one: &one {{file: a, preset: best, start: 1.0}}\nvideos:\n{people}")
    assert len(documents.load(tmp_path / "a.yaml")["videos"]) == 3000


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="b.yaml"):
        documents.load(tmp_path / "b.yaml")
