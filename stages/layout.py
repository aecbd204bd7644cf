"""The paths of all artifacts. No other module contains them.

An address is `stage@key`. The artifacts of a key are in `artifacts/<key>/`, those of rendered people in
`artifacts/samples/`. `INPUTS` gives, for each input of a stage's `run`, the stage that writes it and whose key it has:
the stage's own (`key`) or, in a transfer, that of its `target` or `source`.
"""

from pathlib import Path

ROOT = Path("artifacts")
NAME = r"^[a-z][a-z0-9_]{0,47}$"  # of keys: they become names of folders and files
TABLES = ROOT / "tables"
CHECKPOINTS = Path(".checkpoints")  # resume states, costs; no artifacts, since DVC deletes outputs before a run
HASH = 16  # hexadecimal digits that distinguish the resume states of different runs of a training
DIGESTS = Path("digests")  # digests of the code of each stage; see stages/code_digest.py
STATES = Path(".dvc/tmp/states")  # DVC's record of each stage
ELSEWHERE = "FAKEMOTION_ELSEWHERE"  # environment variable: if set, a stage fails instead of computing
EXPERIMENTS = CHECKPOINTS / "experiments"  # the clone of the project in which the tables' experiments run

KINDS = {  # stage: the block of params.yaml whose entries it runs over; in the order of the pipeline
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

THREADED = ("background_inpainting", "generator_training", "local_gan_training", "fusion")  # bytes vary with `threads`

SUBJECT_KINDS = ("subjects", "transfers")  # kinds whose artifacts show a subject and record their consent

OUTPUTS = {  # stage: {argument of run: file below artifacts/}
    "samples": {
        "video": "samples/{key}.mp4",
        "truth": "samples/{key}.parquet",
        "alpha": "samples/{key}_alpha.mkv",
        "plate": "samples/{key}_plate.png",
    },
    "frames": {
        "frames": "{key}/frames.mkv",
        "timeline": "{key}/frames.parquet",
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
        "timeline": ("frames", "timeline", "key"),
        "view": ("frames", "view", "key"),
    },
    "mask_segmentation": {
        "frames": ("frames", "frames", "key"),
        "timeline": ("frames", "timeline", "key"),
        "view": ("frames", "view", "key"),
        "poses": ("pose_extraction", "poses", "key"),
        "silhouettes": ("pose_extraction", "silhouettes", "key"),
    },
    "background_inpainting": {
        "frames": ("frames", "frames", "key"),
        "timeline": ("frames", "timeline", "key"),
        "view": ("frames", "view", "key"),
        "full_frames": ("frames", "full_frames", "key"),
        "masks": ("mask_segmentation", "masks", "key"),
    },
    "face_vector_indexing": {
        "frames": ("frames", "frames", "key"),
        "timeline": ("frames", "timeline", "key"),
        "poses": ("pose_extraction", "poses", "key"),
    },
    "generator_training": {
        "frames": ("frames", "frames", "key"),
        "timeline": ("frames", "timeline", "key"),
        "masks": ("mask_segmentation", "masks", "key"),
        "background": ("background_inpainting", "background", "key"),
        "poses": ("pose_extraction", "poses", "key"),
    },
    "local_gan_training": {
        "frames": ("frames", "frames", "key"),
        "timeline": ("frames", "timeline", "key"),
        "masks": ("mask_segmentation", "masks", "key"),
        "background": ("background_inpainting", "background", "key"),
        "poses": ("pose_extraction", "poses", "key"),
        "faces": ("face_vector_indexing", "faces", "key"),
        "generator": ("generator_training", "generator", "key"),
    },
    "retargeting": {
        "target_poses": ("pose_extraction", "poses", "target"),
        "target_timeline": ("frames", "timeline", "target"),
        "source_poses": ("pose_extraction", "poses", "source"),
        "source_timeline": ("frames", "timeline", "source"),
    },
    "pose_coverage": {
        "driving": ("retargeting", "driving", "key"),
        "target_poses": ("pose_extraction", "poses", "target"),
        "target_timeline": ("frames", "timeline", "target"),
        "target_frames": ("frames", "frames", "target"),
        "source_frames": ("frames", "frames", "source"),
        "source_timeline": ("frames", "timeline", "source"),
    },
    "fusion": {
        "driving": ("retargeting", "driving", "key"),
        "generator": ("generator_training", "generator", "target"),
        "local_gans": ("local_gan_training", "local_gans", "target"),
        "faces": ("face_vector_indexing", "faces", "target"),
        "full_background": ("background_inpainting", "full_background", "target"),
        "target_timeline": ("frames", "timeline", "target"),
        "target_view": ("frames", "view", "target"),
        "source_frames": ("frames", "frames", "source"),
        "source_timeline": ("frames", "timeline", "source"),
    },
    "signing": {
        "unsigned": ("fusion", "unsigned", "key"),
        "generator": ("generator_training", "generator", "target"),
        "local_gans": ("local_gan_training", "local_gans", "target"),
        "target_timeline": ("frames", "timeline", "target"),
        "source_timeline": ("frames", "timeline", "source"),
    },
    "metrics": {
        "foreground": ("fusion", "foreground", "key"),
        "unsigned": ("fusion", "unsigned", "key"),
        "driving": ("retargeting", "driving", "key"),
        "background": ("background_inpainting", "background", "target"),
        "target_frames": ("frames", "frames", "target"),
        "target_timeline": ("frames", "timeline", "target"),
        "target_view": ("frames", "view", "target"),
        "target_poses": ("pose_extraction", "poses", "target"),
        "source_frames": ("frames", "frames", "source"),
        "source_timeline": ("frames", "timeline", "source"),
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
        "target_timeline": ("frames", "timeline", "target"),
        "target_view": ("frames", "view", "target"),
        "target_poses": ("pose_extraction", "poses", "target"),
        "masks": ("mask_segmentation", "masks", "target"),
        "background": ("background_inpainting", "background", "target"),
        "seen": ("background_inpainting", "seen", "target"),
        "faces": ("face_vector_indexing", "faces", "target"),
        "generator": ("generator_training", "generator", "target"),
        "local_gans": ("local_gan_training", "local_gans", "target"),
        "source_frames": ("frames", "frames", "source"),
        "source_timeline": ("frames", "timeline", "source"),
        "source_poses": ("pose_extraction", "poses", "source"),
    },
}


def digest(stage: str) -> Path:
    """The digest of the code of a stage, which DVC tracks."""
    return DIGESTS / f"{stage}.txt"


def cost(stage: str, key: str) -> Path:
    """Duration and memory of the last run of `stage@key` on this machine. Not an artifact."""
    return CHECKPOINTS / "costs" / f"{stage}@{key}.json"


def resume_file(address: str, digest: str) -> Path:
    """The resume state of a run of the training `stage@key`, identified by a hash (hex). The same path without suffix
    is the folder of its previews. Not artifacts."""
    return CHECKPOINTS / f"{address}_{digest[:HASH]}.pt"


def resume_files(address: str) -> list[Path]:
    """The resume states and preview folders of all runs of `stage@key`; `*@key` stands for all trainings of a key."""
    return sorted(CHECKPOINTS.glob(f"{address}_{HASH * '[0-9a-f]'}*"))


def sheet(address: str) -> Path:
    """The contact sheet that `inspect` makes of the outputs of `stage@key`. Not an artifact."""
    return CHECKPOINTS / "sheets" / f"{address}.png"


def state(address: str) -> Path:
    """DVC's record of the last run of `address` on this machine; see pipeline/dvc_backend/split_lock.py."""
    return STATES / f"{address}.json"


def experiment(name: str) -> Path:
    """The folder with the results of an experiment: the files of `scores`, by transfer."""
    return TABLES / "experiments" / name


def scores(folder: Path, name: str) -> dict[str, Path]:
    """The scores that `evaluate` writes for a system, or the tables for an experiment."""
    return {"metrics": folder / f"{name}.json", "per_frame": folder / f"{name}.parquet"}


def system(key: str, name: str) -> dict[str, Path]:
    """The scores of another system's frames for the transfer `key`."""
    return scores(ROOT / key / "systems", name)


def results() -> list[Path]:
    """The videos of all transfers that exist."""
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
