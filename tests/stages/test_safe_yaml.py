"""Untrusted YAML: alias bombs, tags, invalid syntax."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from stages import InputError, safe_yaml

ROOT = Path(__file__).parents[2]
LAUGHS = "a: &a [" + "x," * 10 + "]\n" + "".join(
    f"{b}: &{b} [{','.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdefghi", "bcdefghij"))
MERGES = "a: &a {k: 1}\n" + "".join(
    f"{b}: &{b} {{<<: [{','.join([f'*{a}'] * 10)}]}}\n" for a, b in zip("abcdefghi", "bcdefghij"))
CHAIN = "a0: &a0 [x]\n" + "".join(f"a{i + 1}: &a{i + 1} [*a{i}]\n" for i in range(1200))


HARMFUL = [
    (LAUGHS, "aliases"), (MERGES, "aliases"), ("a: &a [*a]", "aliases"), (CHAIN, "aliases"),
    ("[" * 500_000 + "]" * 500_000, "nested lists|nesting depth"), ("{a: " * 500_000, "nested lists"),
    ("a: !!python/object/apply:os.system ['touch pwned']", "constructor"),
    ("a: !!python/name:os.system", "constructor"),
    ("a: " + "9" * 10_000, "digits"), ("a: [", "flow"), ("a: \0", "unacceptable"), (b"a: \xff", "UTF-8"),
    ("? [a]\n: 1", "unhashable"), ("--- a\n--- b", "document"),
]


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """The error for each file, from a separate process with limited memory and time, which must not crash."""
    folder = tmp_path_factory.mktemp("harmful")
    files = [folder / f"{number}.yaml" for number in range(len(HARMFUL))]
    for file, (text, _) in zip(files, HARMFUL):
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    code = """if True:
        import json, resource, sys
        from stages import InputError, params
        from pathlib import Path
        resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
        resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
        for file in sys.argv[1:]:
            try:
                params.load(Path(file))
            except InputError as error:
                print(json.dumps([file, str(error)]), flush=True)"""
    done = subprocess.run([sys.executable, "-c", code, *map(str, files)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-500:]
    errors = dict(map(json.loads, done.stdout.splitlines()))
    return [(file, errors.get(str(file), "")) for file in files]


@pytest.mark.parametrize("number", range(len(HARMFUL)), ids=[
    "laughs", "merges", "itself", "chain", "deep", "deep and open", "call", "name", "digits", "open", "zero", "bytes",
    "key", "two"])
def test_harmful_files_are_rejected_quickly(answers, number):
    file, answer = answers[number]
    assert answer.startswith(f"{file}: ") and re.search(HARMFUL[number][1], answer) and len(answer) < 1000
    assert not (ROOT / "pwned").exists()


@pytest.mark.parametrize("text", ["", "# nothing\n", "a: 1\n", "a: &a {b: [1, 2.5, null, yes]}\nc: {<<: *a, d: x}\n"])
def test_other_files_are_read_as_by_pyyaml(tmp_path, text):
    (tmp_path / "a.yaml").write_text(text)
    assert safe_yaml.load(tmp_path / "a.yaml") == yaml.safe_load(text)


def test_the_repositorys_file_is_read_as_by_pyyaml():
    assert safe_yaml.load(ROOT / "params.yaml") == yaml.safe_load((ROOT / "params.yaml").read_text())


def test_hundreds_of_subjects_are_within_the_limits(tmp_path):
    people = "".join(f"  p{i}: {{<<: *one, file: clips/{i}.mp4}}\n" for i in range(3000))
    (tmp_path / "a.yaml").write_text(f"one: &one {{file: a, preset: best, start: 1.0}}\nvideos:\n{people}")
    assert len(safe_yaml.load(tmp_path / "a.yaml")["videos"]) == 3000


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="b.yaml"):
        safe_yaml.load(tmp_path / "b.yaml")
