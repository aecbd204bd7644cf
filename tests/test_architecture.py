"""The rules of docs/design.md: which module may import which, names and lengths of modules, and that dvc.yaml agrees
with the code."""

import ast
import importlib
import inspect
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pyarrow as pa
import pytest
from dvc.repo import Repo

from pipeline import graph
from stages import code_digest, layout, params
from stages.evaluation import scoring
from stages.media import parquet
from stages.nets import refiner
from stages.samples import truth

ROOT = Path(__file__).parents[1]
STAGES = sorted((ROOT / "stages").rglob("*.py"))
PIPELINE = sorted((ROOT / "pipeline").rglob("*.py"))
OPEN = {"stages", *(f"stages.{name}" for name in (  # what the pipeline may import: it loads no scientific library
    "code_digest", "consent", "evaluation.comparison", "evaluation.system_frames", "events", "layout", "media.container",
    "media.files", "media.footage", "media.images", "media.takes", "params", "pretrained", "processors", "progress",
    "provenance.verification", "reporting.artifact_sheet", "safe_yaml"))}
ADAPTERS = {"Detector", "PoseEstimator", "Segmenter"}  # one per back-end, and their protocols
ARRAYS = {"camera", "face", "imaging", "matting", "pose", "tracking"}  # packages of functions from arrays to arrays
SCIENCE = {"torch", "torchvision", "cv2", "numpy", "scipy", "skimage", "numba", "mediapipe", "PIL", "lpips", "ot"}


@cache
def imports(path: Path) -> frozenset[str]:
    """Every module that a file imports, however deep in it; `from a import b` counts as a and a.b."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(names)


@cache
def modules(path: Path) -> frozenset[str]:
    """The modules of the project that a file imports; a package where it takes a name that is no module."""
    known = {dotted(each) for each in STAGES + PIPELINE}
    return frozenset({name for name in imports(path) & known
                      if not any(other.startswith(f"{name}.") for other in imports(path) & known)})


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def tops(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


def local(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", STAGES, ids=local)
def test_stages_know_neither_prefect_nor_dvc_nor_the_pipeline(path):
    assert not tops(path) & {"prefect", "dvc", "pipeline"}


@pytest.mark.parametrize("path", STAGES, ids=local)
def test_nothing_imports_a_stage_but_its_own_folder(path):
    own = path.relative_to(ROOT / "stages").parts[0].removesuffix(".py")
    others = {name for name in imports(path) for stage in layout.KINDS if f"{name}.".startswith(f"stages.{stage}.")}
    assert not {name for name in others if name.split(".")[1] != own}


@pytest.mark.parametrize("path", PIPELINE, ids=local)
def test_the_pipeline_holds_no_science(path):
    assert not tops(path) & SCIENCE
    assert {module for module in modules(path) if module.split(".")[0] == "stages"} <= OPEN


def test_packages_import_each_other_one_way():
    package = lambda name: ".".join(name.split(".")[:2])
    needs: dict[str, set[str]] = {}
    for path in STAGES + PIPELINE:
        others = {package(name) for name in modules(path)} - {package(dotted(path)), "stages", "pipeline"}
        needs.setdefault(package(dotted(path)), set()).update(others)
    TopologicalSorter(needs).prepare()  # raises CycleError with the cycle


def test_what_works_on_arrays_reads_no_artifacts():
    readers = {"stages.media.parquet", "stages.media.files", "stages.media.video_file"}
    paths = [path for path in STAGES if path.parent.name in ARRAYS and path.stem != "face_index"]
    assert {local(path): found for path in paths if (found := imports(path) & readers)} == {}


@pytest.mark.parametrize("stage", layout.KINDS)
def test_every_stage_is_run_in_the_same_way(stage):
    """run(*, <input and output paths>, params, entry, key): a stage leaves out what it does not need."""
    parameters = inspect.signature(importlib.import_module(f"stages.{stage}").run).parameters.values()
    assert {parameter.kind for parameter in parameters} <= {inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD}
    names = [parameter.name for parameter in parameters if parameter.kind == inspect.Parameter.KEYWORD_ONLY]
    others = [name for name in names if name in ("params", "entry", "key")]
    paths = names[: -len(others)]
    assert others == ["params", "entry", "key"][: len(others)] and names == paths + others
    assert set(paths) <= set(layout.INPUTS[stage]) | set(layout.OUTPUTS[stage])


def test_no_two_modules_or_classes_have_one_name():
    paths = [path for path in STAGES + PIPELINE if not path.stem.startswith("__")]
    classes = [node.name for path in paths for node in ast.parse(path.read_text()).body
               if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
    twice = {name for names in ([path.stem for path in paths], classes) for name in names if names.count(name) > 1}
    assert twice <= ADAPTERS


@pytest.mark.parametrize("path", STAGES + PIPELINE + sorted((ROOT / "tests").rglob("*.py")), ids=local)
def test_own_modules_keep_their_names(path):
    """`from stages import x as y` is not allowed: import the function or class, or use the module's own name."""
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Import | ast.ImportFrom)]
    renamed = [(getattr(node, "module", None) or alias.name, alias.asname) for node in nodes for alias in node.names
               if alias.asname]
    assert [name for name in renamed if name[0].split(".")[0] in ("stages", "pipeline", "tests")] == []


def test_importing_the_pipeline_loads_no_science():
    code = "import pipeline.__main__, pipeline.orchestration.flows, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {"torch", "cv2", "mediapipe", "skimage", "numba"}


def test_only_one_module_runs_dvc():
    assert [path.name for path in PIPELINE if '"dvc"' in path.read_text()] == ["dvc_client.py"]
    assert [path.name for path in PIPELINE if "dvc" in tops(path)] == ["split_lock.py", "storage.py"]
    assert not any("pipeline.dvc_backend.split_lock" in imports(path) for path in PIPELINE)  # a program of its own


@pytest.mark.parametrize("path", STAGES + PIPELINE, ids=local)
def test_modules_are_short(path):
    assert path.read_text().count("\n") <= 300


@pytest.fixture(scope="module")
def repo(tmp_path_factory):
    """dvc.yaml and params.yaml as DVC reads them."""
    folder = tmp_path_factory.mktemp("graph")
    (folder / ".dvc").mkdir()
    for name in (".dvc/config", "dvc.yaml", "params.yaml"):
        shutil.copy(ROOT / name, folder / name)
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    os.environ["DVC_SITE_CACHE_DIR"] = str(tmp_path_factory.mktemp("dvc"))
    with Repo(str(folder)) as repo:
        yield repo


@pytest.fixture(scope="module")
def config():
    return params.load(ROOT / "params.yaml")


def test_every_address_is_a_dvc_stage_and_reads_and_writes_what_the_layout_says(repo, config):
    stages = {stage.name: stage for stage in repo.index.stages}
    digests = stages.pop("digests")
    assert digests.cmd == "python -m stages.code_digest" and [str(out) for out in digests.outs] == [str(layout.DIGESTS)]
    assert set(stages) == set(graph.producers(config).values())
    for address, stage in stages.items():
        name, key = graph.split(address)
        assert stage.cmd == f'python -m stages {name} "$DVC_STAGE"'
        assert {str(out) for out in stage.outs} == {str(path) for path in layout.outputs(name, key).values()}
        files = {str(dep) for dep in stage.deps} - {"params.yaml"}
        assert files == {str(path) for path in [*graph.reads(config, address).values(), layout.digest(name)]}, address


def test_every_stage_depends_on_its_block_of_its_preset(repo, config):
    for stage in [stage for stage in repo.index.stages if stage.name != "digests"]:
        name, key = graph.split(stage.name)
        tracked = {param for dep in stage.deps if str(dep) == "params.yaml" for param in dep.params}
        entry = config.entry(name, key)
        wanted = {f"presets.{entry.preset}.{name}"} if name != "samples" else {f"samples.{key}"}
        if layout.KINDS[name] == "transfers":
            wanted |= {f"transfers.{key}.target", f"transfers.{key}.source"}
        assert ("threads" in tracked) == (name in layout.THREADED), stage.name
        assert all(any(f"{param}.".startswith(f"{kept}.") for kept in tracked) for param in wanted), stage.name


def test_what_rests_on_a_consent_is_made_anew_when_that_changes(repo, config):
    params_of = {stage.name: {param for dep in stage.deps if str(dep) == "params.yaml" for param in dep.params}
                 for stage in repo.index.stages if stage.name != "digests"}
    for address in params_of:
        name, key = graph.split(address)
        if layout.KINDS[name] in layout.SUBJECT_KINDS:
            who = getattr(config.entry(name, key), "target", key)
            tracked = set().union(*(params_of[before] for before in graph.plan(config, [address])))
            assert f"subjects.{who}" in tracked, address


def test_prefect_waits_for_what_dvc_waits_for(repo, config):
    plan = graph.plan(config, graph.producers(config).values())
    edges = {stage.name: {needed.name for needed in repo.index.graph.successors(stage)} - {"digests"}
             for stage in repo.index.stages if stage.name != "digests"}
    assert {address: set(needs) for address, needs in plan.items()} == edges


def test_digests_are_those_of_the_code():
    code_digest.check(root=ROOT)


@pytest.fixture(scope="module")
def code() -> code_digest.Code:
    return code_digest.Code(ROOT)


@pytest.fixture
def unload():
    """A function that unloads `stages`, so that it is imported again. The modules are restored after the test."""
    ours = lambda: [name for name in sys.modules if name.split(".")[0] == "stages"]
    before = {name: sys.modules[name] for name in ours()}
    unload = lambda: [sys.modules.pop(name) for name in ours()]
    yield unload
    unload()
    sys.modules |= before


def test_what_a_stage_loads_is_among_its_files(code, unload):
    """Compared with Python itself: the files that are loaded when a stage is imported."""
    for stage in layout.KINDS:
        unload()
        importlib.import_module(f"stages.{stage}")
        files = [m.__file__ for name, m in sys.modules.items() if name.startswith("stages.") and m.__file__]
        names = {local(Path(file)) for file in files} - set(map(str, code_digest.EXCLUDED))
        packages = {name for name in names if name.endswith("__init__.py")}
        empty = {name for name in packages if len(ast.parse((ROOT / name).read_text()).body) < 2}
        assert names - empty <= {local(module.path) for module in code.sources(stage)}, stage


def test_files_that_are_not_python_are_part_of_some_stage(code):
    files = [path for path in (ROOT / "stages").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    known = {module.path for stage in layout.KINDS for module in code.sources(stage)}
    assert [local(path) for path in files if path.suffix != ".py" and path not in known] == []


def test_the_artifacts_readme_names_every_file_and_column():
    text = (ROOT / "artifacts/README.md").read_text()
    keys = {stage: f"<{kind[:-1]}>" for stage, kind in layout.KINDS.items()}
    files = [name.format(key=keys[stage]) for stage in layout.KINDS for name in layout.OUTPUTS[stage].values()]
    modules = [parquet, truth, scoring, *(importlib.import_module(f"stages.{stage}") for stage in layout.KINDS)]
    schemas = [value for module in modules for value in vars(module).values() if isinstance(value, pa.Schema)]
    part = re.compile(rf"^({'|'.join(refiner.REFINED_PARTS)})_(?=l1|l2|adversarial|d)")
    columns = {part.sub("<part>_", name) for schema in schemas for name in schema.names}
    assert len(schemas) >= 7
    assert [name for name in files if f"`{name}`" not in text and f"`{name}/`" not in text] == []
    assert sorted(name for name in columns if f"`{name}`" not in text) == []
