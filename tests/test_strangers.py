"""Untrusted input (params.yaml, names, folders) cannot run code or write outside of the project."""

import ast
import os
import re
from pathlib import Path

import pytest

from pipeline import graph
from pipeline.datasets import folder, iper, params_editor
from pipeline.paper_tables import other_systems
from stages import InputError, layout, params
from tests import settings

ROOT = Path(__file__).parents[1]
MODULES = sorted([*(ROOT / "stages").rglob("*.py"), *(ROOT / "pipeline").rglob("*.py")])
# The modules of pipeline/ that may start programs.
STARTERS = {"dvc_client.py", "forget.py", "subprocesses.py", "git.py", "fingerprint.py", "nvidia_smi.py", "job_queue.py"}
NAMES = ["../x", "..", ".", "a/b", "/etc/x", "a\\b", "~", "", "a b", "-h", "a;b", "$(a)", "`a`", "${presets}", "$HOME",
         "a|b", "a\nb", "a\0b", "a:b", "a@b", "x.y", "A", "\u0430va", "ava\u200b", "\uff41va", "\u00e9", "1a", "_a",
         "a" * 49, "ava\n"]
FUNCTIONS = {"eval", "exec", "compile", "__import__", "system", "popen", "execv", "execve", "spawnv", "startfile"}


def local(path: Path) -> str:
    return str(path.relative_to(ROOT))


def calls(path: Path) -> list[tuple[str, ast.Call]]:
    """All calls in a file with the name of the function: subprocess.run, eval, ..."""
    nodes = ast.walk(ast.parse(path.read_text()))
    return [(ast.unparse(node.func), node) for node in nodes if isinstance(node, ast.Call)]


@pytest.mark.parametrize("path", MODULES, ids=local)
def test_only_programs_with_argument_lists_are_run(path):
    """No shell, no code from data, no pickles. The only exception, stages/unpickling.py, has its own tests."""
    for name, call in calls(path):
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        last = name.split(".")[-1]
        assert "shell" not in given, name
        assert name not in FUNCTIONS and not (name.startswith("os.") and last in FUNCTIONS), name
        assert name not in ("yaml.load", "yaml.unsafe_load", "yaml.full_load") or "CSafeLoader" in ast.unparse(call)
        assert name != "torch.load" or given.get("weights_only") == "True" or path.name == "unpickling.py"
        assert not name.startswith(("pickle.", "marshal.", "shelve.", "dill.")) or path.name == "unpickling.py", name
        if name in ("subprocess.run", "subprocess.Popen", "subprocess.call", "subprocess.check_output"):
            assert local(path).split("/")[0] == "pipeline" and path.name in STARTERS, name
            words = call.args[0]
            assert isinstance(words, ast.List) or ast.unparse(words) in ("command", "query"), ast.unparse(words)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["samples", "videos", "subjects", "transfers", "variants"])
def test_names_cannot_leave_their_folder(tmp_path, kind, name):
    content = settings.content()
    content[kind][name] = next(iter(content[kind].values()))
    with pytest.raises(InputError, match=re.escape(f"{kind}.{name}.[key]: String should match pattern")):
        params.load(settings.write(tmp_path, content))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place", ["target", "source", "preset", "samples.person"])
def test_references_must_exist(tmp_path, place, name):
    content = settings.content()
    if place == "samples.person":
        content["samples"]["ava"]["person"] = name
    else:
        content["transfers"]["ava_from_ben"][place] = name
    path = settings.write(tmp_path, content)
    if place == "samples.person":  # looked up in a table of stages/samples
        from stages.samples import people

        with pytest.raises((InputError, KeyError)):
            people.person(params.load(path).samples["ava"].person)
    else:
        with pytest.raises(InputError):
            params.load(path)


@pytest.mark.parametrize("address", ["../x@ava", "frames@../ava", "frames@ava/..", "frames@", "@ava", "frames", "a@b@c",
                                     "frames@ava;b", "--help@ava", "os.system@ava"])
def test_addresses_must_be_in_the_graph(config, address):
    with pytest.raises(InputError):
        graph.plan(config, [address])


@pytest.mark.parametrize("name", [*NAMES, "."])
def test_evaluate_accepts_plain_names_only(config, name):
    with pytest.raises(InputError, match="--as"):
        other_systems.evaluate(config, Path("frames"), name, "ava_from_ben")


def inside(path: Path, folder: Path = layout.ROOT) -> bool:
    return Path(os.path.normpath(path)).is_relative_to(folder)


def test_everything_is_written_to_artifacts_or_checkpoints(config):
    for path in graph.producers(config):
        assert inside(path)
    for stage, kind in layout.KINDS.items():
        for key in getattr(config, kind):
            assert inside(layout.cost(stage, key), layout.CHECKPOINTS)


@pytest.mark.parametrize("name", [name for name in NAMES if not {"/", "\0"} & set(name) and name.strip(".")])
def test_imported_folders_get_a_plain_name_or_none(name):
    plain = folder.to_name(name)
    assert plain == "" or len(plain) <= 48 and plain.isascii() and plain.isidentifier() and plain == plain.lower()


def test_hostile_file_names_are_imported_as_text(tmp_path, monkeypatch, config):
    """Names that look like commands and templates are stored in params.yaml as text, and it can be loaded."""
    from tests.stages.media.test_hostile import film

    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text((ROOT / "params.yaml").read_text())
    names = ["$(touch pwned)", "a; touch pwned", "${presets}", "!!python", "&a *a", "x: {y", "# none", "- x",
             "\u202egpj", "a\nb", "'", '"', "%", "http:", "-rf"]
    for i, name in enumerate(names):
        film(Path("clips") / f"p{i}{name}.mp4")
    folder.import_people(folder.find_people(params.load(), Path("clips"), "demo"), Path("clips"), "demo", ["they", "2026-11-22", "a test", "a film of noise"])
    found = {entry.file for entry in params.load().videos.values()}
    assert {f"clips/p{i}{name}.mp4" for i, name in enumerate(names)} <= found
    assert {params_editor.to_yaml_line(name) for name in names}  # all can be written as YAML
    assert not Path("pwned").exists()


@pytest.mark.parametrize("hostile", ["../x", "ava;b", "Ava"])
def test_iper_lists_with_other_names_are_ignored(tmp_path, config, hostile):
    """The lists of a data set name a folder outside of it, or one that is not a subject's. It cannot be imported by
    name either."""
    from tests.pipeline.datasets.test_folder import images

    for subject in ("001", hostile):
        for take in "12":
            images(tmp_path / "images_HD" / subject / "1" / take, range(3))
    for file in iper.LISTS:
        (tmp_path / file).write_text("".join(f"{subject}/1/{take}\n" for subject in (hostile, "001") for take in "12"))
    found = iper.find_people(config, tmp_path, "demo", [])
    assert found.people == {"iper_001_1": tmp_path / "images_HD/001/1"} and found.more == []
    with pytest.raises(InputError, match=re.escape(f"no subject {hostile}; there are 001") + "$"):
        iper.find_people(config, tmp_path, "demo", [hostile])
