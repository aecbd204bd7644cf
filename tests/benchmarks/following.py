"""Accuracy of tracking one of two rendered people, who cross or of whom one leaves and comes back. Rows of
tests.benchmarks.ground_truth."""

from pathlib import Path

import numpy as np

from stages import frames, layout, params, pose_extraction
from stages.media import video_file
from stages.media.pose_table import read_poses
from stages.media.timeline import read_timeline
from stages.media.view import read_view
from stages.pose.skeleton import L_HIP, R_HIP
from stages.samples.people import person
from tests.benchmarks.figures import Figure
from tests.stages import duo

ROOT = Path(__file__).parents[2]
ONE, OTHER = person("stranger_103"), person("stranger_104")
SIZE = 256
MARGIN = 0.05  # share of the height: when the people cross, the distance of their hips is within a detector's error
HIDDEN = 0.3  # share of joints hidden by the other person, below which a person should be tracked


def following(folder: Path) -> list[Figure]:
    """Tracks each of the two people in each video."""
    taken, poses, wanted = [], [], []
    for name, walkers in (("crossing", duo.crossing(ONE, OTHER)), ("leaving", duo.leaving(ONE, OTHER))):
        film = duo.Duo(walkers, walkers[0].path[-1][0], SIZE)
        truth = [film.poses(frame) for frame in range(film.count)]
        places = np.array([[pose.body[:, :2] for pose in both] for both in truth])  # (T, 2, 18, 2)
        inside = np.array([[pose.body[:, 2].all() for pose in both] for both in truth])
        clear = np.array([[film.behind(frame, who) < HIDDEN for who in (0, 1)] for frame in range(film.count)])
        heights = np.ptp(places[0, ..., 1], axis=-1)
        for who in (0, 1):
            boxes, joints = followed(folder, name, film, places[0, who].mean(0))
            hips = places[:, :, [R_HIP, L_HIP]].mean(2)  # (T, 2, 2)
            distance = np.linalg.norm((boxes[:, :2] + boxes[:, 2:])[:, None] / 2 - hips, axis=-1)
            known = np.isfinite(boxes[:, 0])
            taken.append((distance[:, who] > distance[:, 1 - who] + MARGIN * heights[who])[known])
            away = np.linalg.norm(joints[:, None] - places, axis=-1)  # (T, 2, 18)
            seen = np.isfinite(away).any((1, 2))
            middle = np.nanmedian(away[seen], axis=-1)  # (frames, 2)
            poses.append(middle[:, who] > middle[:, 1 - who])
            wanted.append(seen[inside[:, who] & clear[:, who]])
    taken, poses, wanted = (np.concatenate(values) for values in (taken, poses, wanted))
    return [
        Figure("following: frames whose box is nearer to the other by 5 % of the height", taken.sum(), 0, "", True,
               f"of {len(taken)} with a box"),
        Figure("following: frames whose pose is nearer to the other person's", poses.sum(), 0, "", True,
               f"of {len(poses)} with a pose"),
        Figure("following: frames with a pose, of those in which they are in view", 100 * wanted.mean(), 90, "%"),
    ]


def followed(folder: Path, name: str, film: duo.Duo, point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (T, 4) and joints (T, 18, 2), in pixels of the film, that the stages find for the person who is at `point`
    in the first frame."""
    file, key = folder / f"following/{name}.mp4", f"{name}_{point[0]:.0f}"
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        with video_file.h264(file, duo.FPS, 16, {}) as add:
            for frame in range(film.count):
                add(film.shot(frame))
    preset = params.load(ROOT / "params.yaml").presets["demo"]
    entry = params.Video(file=str(file), preset="demo", person=tuple(map(float, point)))
    square, body = ({argument: folder / "following" / path for argument, path in layout.outputs(stage, key).items()}
                    for stage in ("frames", "pose_extraction"))
    frames.run(**square, params=preset.frames, entry=entry)
    pose_extraction.run(**{name: square[name] for name in ("frames", "timeline", "view")}, **body,
                        params=preset.pose_extraction)
    left, top, side = read_timeline(square["timeline"]).about["crop"]
    scale = side / read_timeline(square["timeline"]).about["size"]
    boxes = read_view(square["view"]).box * scale + [left, top, left, top]
    return boxes, read_poses(body["poses"])[0].body[..., :2] * scale + [left, top]
