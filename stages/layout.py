"""Where every artifact lies: the only place where an artifact's path is spelled.

An address is `stage@key`. Artifacts of one key lie together in `artifacts/<key>/`, those of the rendered
people in `artifacts/samples/`. `INPUTS` names, for every argument of a stage's `run`, the stage that wrote
it and whose key it has: the stage's own (`key`) or, in a transfer, that of its `target` or `source`.
"""

from pathlib import Path

ROOT = Path("artifacts")
NAME = r"^[a-z][a-z0-9_]{0,47}$"  # of what becomes a folder or a file
TABLES = ROOT / "tables"
CHECKPOINTS = Path(".checkpoints")  # what is no artifact, so that DVC does not clear it: training's resume state, costs
HASH = 16  # characters by which a training's resume state is told from those of its other runs
DIGESTS = Path("digests")  # of the code that each stage is made of; see stages/code_digest.py
STATES = Path(".dvc/tmp/states")  # what DVC notes of every stage, beside its other notes
ELSEWHERE = "FAKEMOTION_ELSEWHERE"  # in the environment: a stage that would have to compute refuses to
EXPERIMENTS = CHECKPOINTS / "experiments"  # the clone of the project in which the tables' experiments run

KINDS = {  # stage: the block of params.yaml whose keys it runs over, in the order of the pipeline
    "samples": "samples",
    "frames": "videos",
    "pose_extraction": "videos",
    "mask_segmentation": "subjects",
    "background_inpainting": "subjects",
    "face_vector_indexing": "subjects",
    "generator_training": "subjects",
    "local_gan_training": "subjects",
    "retargeting": "transfers",
    "pose_coverage": "transfers",
    "fusion": "transfers",
    "signing": "transfers",
    "metrics": "transfers",
    "report": "transfers",
}

THREADED = ("background_inpainting", "generator_training", "local_gan_training", "fusion")  # bytes depend on threads

SUBJECT_KINDS = ("subjects", "transfers")  # kinds of what is made of or for a subject, and says on whose consent it rests

OUTPUTS = {  # stage: {argument of run: file below artifacts/}
    "samples": {
        "video": "samples/{key}.mp4",
        "truth": "samples/{key}.parquet",
        "alpha": "samples/{key}_alpha.mkv",
        "plate": "samples/{key}_plate.png",
    },
    "frames": {
        "frames": "{key}/frames.mkv",
        "clock": "{key}/frames.parquet",
        "view": "{key}/view.parquet",
        "full_frames": "{key}/full_frames.mkv",
    },
    "pose_extraction": {"poses": "{key}/poses.parquet", "silhouettes": "{key}/silhouettes.mkv"},
    "mask_segmentation": {"masks": "{key}/masks.mkv"},
    "background_inpainting": {
        "background": "{key}/background.png",
        "seen": "{key}/background_seen.png",
        "full_background": "{key}/background_full.png",
    },
    "face_vector_indexing": {"faces": "{key}/faces.parquet"},
    "generator_training": {"generator": "{key}/generator", "plots": "{key}/generator_plots"},
    "local_gan_training": {"local_gans": "{key}/local_gans", "plots": "{key}/local_gans_plots"},
    "retargeting": {"driving": "{key}/driving.parquet"},
    "pose_coverage": {"coverage": "{key}/coverage.parquet", "farthest": "{key}/farthest.png"},
    "fusion": {"foreground": "{key}/foreground.mkv", "unsigned": "{key}/unsigned.mp4"},
    "signing": {"video": "{key}/video.mp4"},
    "metrics": {
        "metrics": "{key}/metrics.json",
        "per_frame": "{key}/per_frame.parquet",
        "scores": "{key}/scores.json",
        "plots": "{key}/metrics_plots",
    },
    "report": {"report": "{key}/report.html"},
}

INPUTS = {  # stage: {argument of run: (producing stage, its argument, whose key)}
    "samples": {},
    "frames": {},
    "pose_extraction": {
        "frames": ("frames", "frames", "key"),
        "clock": ("frames", "clock", "key"),
        "view": ("frames", "view", "key"),
    },
    "mask_segmentation": {
        "frames": ("frames", "frames", "key"),
        "clock": ("frames", "clock", "key"),
        "view": ("frames", "view", "key"),
        "poses": ("pose_extraction", "poses", "key"),
        "silhouettes": ("pose_extraction", "silhouettes", "key"),
    },
    "background_inpainting": {
        "frames": ("frames", "frames", "key"),
        "clock": ("frames", "clock", "key"),
        "view": ("frames", "view", "key"),
        "full_frames": ("frames", "full_frames", "key"),
        "masks": ("mask_segmentation", "masks", "key"),
    },
    "face_vector_indexing": {
        "frames": ("frames", "frames", "key"),
        "clock": ("frames", "clock", "key"),
        "poses": ("pose_extraction", "poses", "key"),
    },
    "generator_training": {
        "frames": ("frames", "frames", "key"),
        "clock": ("frames", "clock", "key"),
        "masks": ("mask_segmentation", "masks", "key"),
        "background": ("background_inpainting", "background", "key"),
        "poses": ("pose_extraction", "poses", "key"),
    },
    "local_gan_training": {
        "frames": ("frames", "frames", "key"),
        "clock": ("frames", "clock", "key"),
        "masks": ("mask_segmentation", "masks", "key"),
        "background": ("background_inpainting", "background", "key"),
        "poses": ("pose_extraction", "poses", "key"),
        "faces": ("face_vector_indexing", "faces", "key"),
        "generator": ("generator_training", "generator", "key"),
    },
    "retargeting": {
        "target_poses": ("pose_extraction", "poses", "target"),
        "target_clock": ("frames", "clock", "target"),
        "source_poses": ("pose_extraction", "poses", "source"),
        "source_clock": ("frames", "clock", "source"),
    },
    "pose_coverage": {
        "driving": ("retargeting", "driving", "key"),
        "target_poses": ("pose_extraction", "poses", "target"),
        "target_clock": ("frames", "clock", "target"),
        "target_frames": ("frames", "frames", "target"),
        "source_frames": ("frames", "frames", "source"),
        "source_clock": ("frames", "clock", "source"),
    },
    "fusion": {
        "driving": ("retargeting", "driving", "key"),
        "generator": ("generator_training", "generator", "target"),
        "local_gans": ("local_gan_training", "local_gans", "target"),
        "faces": ("face_vector_indexing", "faces", "target"),
        "full_background": ("background_inpainting", "full_background", "target"),
        "target_clock": ("frames", "clock", "target"),
        "target_view": ("frames", "view", "target"),
        "source_frames": ("frames", "frames", "source"),
        "source_clock": ("frames", "clock", "source"),
    },
    "signing": {
        "unsigned": ("fusion", "unsigned", "key"),
        "generator": ("generator_training", "generator", "target"),
        "local_gans": ("local_gan_training", "local_gans", "target"),
        "target_clock": ("frames", "clock", "target"),
        "source_clock": ("frames", "clock", "source"),
    },
    "metrics": {
        "foreground": ("fusion", "foreground", "key"),
        "unsigned": ("fusion", "unsigned", "key"),
        "driving": ("retargeting", "driving", "key"),
        "background": ("background_inpainting", "background", "target"),
        "target_frames": ("frames", "frames", "target"),
        "target_clock": ("frames", "clock", "target"),
        "target_view": ("frames", "view", "target"),
        "target_poses": ("pose_extraction", "poses", "target"),
        "source_frames": ("frames", "frames", "source"),
        "source_clock": ("frames", "clock", "source"),
        "source_view": ("frames", "view", "source"),
    },
    "report": {
        "video": ("signing", "video", "key"),
        "foreground": ("fusion", "foreground", "key"),
        "driving": ("retargeting", "driving", "key"),
        "coverage": ("pose_coverage", "coverage", "key"),
        "farthest": ("pose_coverage", "farthest", "key"),
        "metrics": ("metrics", "metrics", "key"),
        "per_frame": ("metrics", "per_frame", "key"),
        "target_frames": ("frames", "frames", "target"),
        "target_clock": ("frames", "clock", "target"),
        "target_view": ("frames", "view", "target"),
        "target_poses": ("pose_extraction", "poses", "target"),
        "masks": ("mask_segmentation", "masks", "target"),
        "background": ("background_inpainting", "background", "target"),
        "seen": ("background_inpainting", "seen", "target"),
        "faces": ("face_vector_indexing", "faces", "target"),
        "generator": ("generator_training", "generator", "target"),
        "local_gans": ("local_gan_training", "local_gans", "target"),
        "source_frames": ("frames", "frames", "source"),
        "source_clock": ("frames", "clock", "source"),
        "source_poses": ("pose_extraction", "poses", "source"),
    },
}


def digest(stage: str) -> Path:
    """The file that stands for the code of a stage among what DVC compares."""
    return DIGESTS / f"{stage}.txt"


def cost(stage: str, key: str) -> Path:
    """Where the last run of `stage@key` on this machine left its seconds and memory: not an artifact."""
    return CHECKPOINTS / "costs" / f"{stage}@{key}.json"


def resume_file(address: str, digest: str) -> Path:
    """Where the training `stage@key`, known by a hash (hex), keeps what it goes on from; without the suffix, the folder
    of what it draws meanwhile. Not artifacts."""
    return CHECKPOINTS / f"{address}_{digest[:HASH]}.pt"


def resume_files(address: str) -> list[Path]:
    """Such files and folders of every run of `stage@key`; of `*@key`, those of all trainings of a key."""
    return sorted(CHECKPOINTS.glob(f"{address}_{HASH * '[0-9a-f]'}*"))


def sheet(address: str) -> Path:
    """Where `inspect` leaves the picture of what `stage@key` wrote: not an artifact."""
    return CHECKPOINTS / "sheets" / f"{address}.png"


def state(address: str) -> Path:
    """Where DVC's note of the last run of `address` on this machine lies; see pipeline/dvc_backend/split_lock.py."""
    return STATES / f"{address}.json"


def experiment(name: str) -> Path:
    """The folder of what is kept of an experiment: the files of `scores` below each transfer's key."""
    return TABLES / "experiments" / name


def scores(folder: Path, name: str) -> dict[str, Path]:
    """Where `evaluate` leaves the scores of a system, and the tables those of an experiment."""
    return {"metrics": folder / f"{name}.json", "per_frame": folder / f"{name}.parquet"}


def system(key: str, name: str) -> dict[str, Path]:
    """The scores of another system's frames of the transfer `key`."""
    return scores(ROOT / key / "systems", name)


def results() -> list[Path]:
    """Every transfer's video that is there."""
    return sorted(ROOT.glob(Path(OUTPUTS["signing"]["video"].format(key="*")).as_posix()))


def outputs(stage: str, key: str) -> dict[str, Path]:
    """The files that `stage@key` writes, by argument name."""
    return {argument: ROOT / name.format(key=key) for argument, name in OUTPUTS[stage].items()}


def inputs(stage: str, key: str, target: str = "", source: str = "") -> dict[str, Path]:
    """The files that `stage@key` reads, by argument name; a transfer names its target and source."""
    keys = {"key": key, "target": target, "source": source}
    return {
        argument: outputs(producer, keys[whose])[name]
        for argument, (producer, name, whose) in INPUTS[stage].items()
    }
