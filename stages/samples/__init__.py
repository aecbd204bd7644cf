"""Sample people, rendered: a video as a camera would give it, with everything that is true about it.

A body of melted distance-field primitives performs a motion before a still camera. Written: `video` (H.264,
25 frames/s, a little sensor noise), `truth` (truth.TRUTH: joints, hands, feet, face, visibility), `alpha`
(the person's exact coverage of each pixel, no shadow) and `plate` (the empty room, no noise, no shadow).

In the plain world a frame is one moment. In the hard one (hard.py) it is the mean of the moments of an exposure, and so
is alpha; joints are those of its middle.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from stages import InputError
from stages.media import png, video_file
from stages.media.prefetch import ordered_map
from stages.params import SampleEntry
from stages.pose.skeleton import Pose
from stages.progress import Progress
from stages.samples import hard, motion, people, render, scene
from stages.samples.body import Body
from stages.samples.truth import TRUTH, read_truth, to_pose, write_truth

__all__ = ["TRUTH", "frames", "read_truth", "run"]

NOISE = 1.5  # of the sensor, standard deviation in 8-bit steps
CRF = 16


def run(video: Path, truth: Path, alpha: Path, plate: Path, params: SampleEntry) -> None:
    """Renders `params.person` doing the motion that the other parameters give."""
    count, started = round(params.seconds * motion.FPS), time.monotonic()
    poses, visible = [], []
    about = {"person": params.person, "motions": list(params.motions), "seed": params.seed, "fps": motion.FPS}
    metadata = {"title": f"{params.person}, a synthetic rendered person",
                "comment": "Synthetic: rendered by FakeMotion from a procedural body. No real person is shown."}
    rng = np.random.default_rng([params.seed, 1])
    shots = frames(params.person, params.motions, params.seed, params.seconds, params.size, params.world)
    phone = {"crf": hard.CRF, "max_bitrate": round(hard.BITS * params.size**2 * motion.FPS)}
    quality = phone if params.world == "hard" else {"crf": CRF}
    with (video_file.h264(video, motion.FPS, metadata=metadata, **quality) as show,
          video_file.lossless(alpha, motion.FPS, "gray") as mask):
        for rgb, cover, pose, seen in Progress(shots, total=count, desc=f"samples {params.person}", unit="frame"):
            noisy = rgb + rng.normal(0, NOISE, rgb.shape)
            show(np.clip(np.rint(noisy), 0, 255).astype(np.uint8))
            mask(cover)
            poses.append(pose)
            visible.append(seen)
    write_truth(truth, poses, visible, about)
    empty = np.rint(255 * scene.plate(_person(params.person, params.world).room, params.size)).astype(np.uint8)
    png.write(plate, empty)
    taken = time.monotonic() - started
    print(f"samples: {params.person} for {len(poses)} frames at {params.size} x {params.size}, "
          f"{len(poses) / taken:.1f} frames/s")


def frames(person: str, motions: tuple[str, ...], seed: int, seconds: float, size: int, world: str = "plain"
           ) -> Iterator[tuple[np.ndarray, np.ndarray, Pose, np.ndarray]]:
    """One frame after the other, without noise: RGB (S, S, 3) and alpha (S, S), both uint8, the true pose, and
    which of its 69 points (body, left hand, right hand, feet, face) are visible."""
    if not motions or round(seconds * motion.FPS) < 1:
        raise InputError(f"params.yaml: samples: {person} has {len(motions)} motions for {seconds} s; "
                         "give at least one motion and 0.04 s")
    who = _person(person, world)
    camera, empty = scene.Camera.of(who.room, size), scene.plate(who.room, size)
    wall, day = who.room.depth if world == "hard" else None, scene.daylight(who.room, size)

    def shoot(moments):
        picture, cover = np.zeros((size, size, 3)), np.zeros((size, size, 1))
        for posed in moments:
            rgb, alpha, kept = render.draw([posed], camera, who.room.light, wall)
            picture += alpha * rgb * day + (1 - alpha) * empty * kept[..., None]
            cover += alpha
        middle = moments[len(moments) // 2]
        seen, = render.visible([middle], camera)
        quantised = (np.rint(255 * part / len(moments)).astype(np.uint8) for part in (picture, cover[..., 0]))
        return *quantised, to_pose(camera.project(middle.points), size), seen

    body, performed = Body(who), motion.perform(tuple(motions), seed, seconds)
    if world == "hard":
        return ordered_map(shoot, hard.exposures(body, performed, camera))
    return ordered_map(shoot, ([posed] for posed in body.pose(performed)))


def _person(name: str, world: str) -> people.SamplePerson:
    return hard.person(name) if world == "hard" else people.person(name)
