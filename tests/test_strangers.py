"""What others have written may be read here, and does no more than that: params.yaml, names, folders."""

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
# Of pipeline/: what starts programs.
STARTERS = {"dvc_client.py", "git.py", "job_queue.py", "nvidia_smi.py", "subprocesses.py"}
NAMES = ["../x", "..", ".", "a/b", "/etc/x", "a\\b", "~", "", "a b", "-h", "a;b", "$(a)", "`a`", "${presets}", "$HOME",
         "a|b", "a\nb", "a\0b", "a:b", "a@b", "x.y", "A", "\u0430va", "ava\u200b", "\uff41va", "\u00e9", "1a", "_a",
         "a" * 49, "ava\n"]
FUNCTIONS = {"eval", "exec", "compile", "__import__", "system", "popen", "execv", "execve", "spawnv", "startfile"}


def local(path: Path) -> str:
    return str(path.relative_to(ROOT))


def calls(path: Path) -> list[tuple[str, ast.Call]]:
    """Every call in a file, by the name of what is called: subprocess.run, eval, ..."""
    nodes = ast.walk(ast.parse(path.read_text()))
    return [(ast.unparse(node.func), node) for node in nodes if isinstance(node, ast.Call)]


@pytest.mark.parametrize("path", MODULES, ids=local)
def test_nothing_is_run_but_programs_with_their_arguments(path):
    """No shell, no code out of data, no pickles; the one door for these, stages/unpickling.py, has its tests."""
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
def test_no_entry_is_named_so_that_it_would_leave_its_folder(tmp_path, kind, name):
    content = settings.content()
    content[kind][name] = next(iter(content[kind].values()))
    with pytest.raises(InputError, match=re.escape(f"{kind}.{name}.[key]: String should match pattern")):
        params.load(settings.write(tmp_path, content))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place", ["target", "source", "preset", "samples.person"])
def test_no_entry_names_another_that_is_not_there(tmp_path, place, name):
    content = settings.content()
    if place == "samples.person":
        content["samples"]["ava"]["person"] = name
    else:
        content["transfers"]["ava_from_ben"][place] = name
    path = settings.write(tmp_path, content)
    if place == "samples.person":  # of whom stages/samples knows a few, by a table
        from stages.samples import people

        with pytest.raises((InputError, KeyError)):
            people.person(params.load(path).samples["ava"].person)
    else:
        with pytest.raises(InputError):
            params.load(path)


@pytest.mark.parametrize("address", ["../x@ava", "frames@../ava", "frames@ava/..", "frames@", "@ava", "frames", "a@b@c",
                                     "frames@ava;b", "--help@ava", "os.system@ava"])
def test_no_address_but_those_of_the_graph(config, address):
    with pytest.raises(InputError):
        graph.plan(config, [address])


@pytest.mark.parametrize("name", [*NAMES, "."])
def test_evaluate_writes_under_plain_names_only(config, name):
    with pytest.raises(InputError, match="--as"):
        other_systems.evaluate(config, Path("frames"), name, "ava_from_ben")


def inside(path: Path, folder: Path = layout.ROOT) -> bool:
    return Path(os.path.normpath(path)).is_relative_to(folder)


def test_all_that_is_written_lies_in_artifacts_or_beside_the_checkpoints(config):
    for path in graph.producers(config):
        assert inside(path)
    for stage, kind in layout.KINDS.items():
        for key in getattr(config, kind):
            assert inside(layout.cost(stage, key), layout.CHECKPOINTS)


@pytest.mark.parametrize("name", [name for name in NAMES if not {"/", "\0"} & set(name) and name.strip(".")])
def test_an_imported_folder_of_any_name_gives_a_plain_one_or_none(name):
    plain = folder.to_name(name)
    assert plain == "" or len(plain) <= 48 and plain.isascii() and plain.isidentifier() and plain == plain.lower()


def test_hostile_names_of_files_are_imported_as_plain_ones(tmp_path, monkeypatch, config):
    """Clips called like commands and templates: params.yaml holds them as text, and loads."""
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
    assert {params_editor.to_yaml_line(name) for name in names}  # every one of them can be written
    assert not Path("pwned").exists()


@pytest.mark.parametrize("hostile", ["../x", "ava;b", "Ava"])
def test_iper_lists_of_other_names_bring_nobody_in(tmp_path, config, hostile):
    """Lists of a whole data set that name a folder outside of it, or one of its own that is no subject's; nor does who
    asks for it by name get it."""
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
