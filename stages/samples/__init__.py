"""Stage `samples`: renders a synthetic person, as a camera would record them, together with the ground truth.

A body of signed distance primitives performs a motion in front of a static camera. Outputs: `video` (H.264, 25
frames/s, with sensor noise), `truth` (truth.TRUTH: joints, hands, feet, face points and their visibility), `alpha`
(exact coverage of each pixel by the person, without shadow) and `plate` (the empty room, without noise or shadow).

In the plain world a frame shows one instant. In the hard world (hard_world.py) RGB and alpha are means over the
exposure; the joints are those at its middle.
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
from stages.samples import hard_world, motion, people, render, scene
from stages.samples.body import Body
from stages.samples.truth import TRUTH, read_truth, to_pose, write_truth

__all__ = ["TRUTH", "frames", "read_truth", "run"]

NOISE = 1.5  # standard deviation of the sensor noise, 8-bit steps
CRF = 16


def run(*, video: Path, truth: Path, alpha: Path, plate: Path, params: SampleEntry) -> None:
    """Renders `params.person` performing `params.motions`."""
    count, started = round(params.seconds * motion.FPS), time.monotonic()
    poses, visible = [], []
    about = {"person": params.person, "motions": list(params.motions), "seed": params.seed, "fps": motion.FPS}
    metadata = {"title": f"{params.person}, a synthetic rendered person",
                "comment": "Synthetic: rendered by FakeMotion from a procedural body. No real person is shown."}
    rng = np.random.default_rng([params.seed, 1])
    shots = frames(params.person, params.motions, params.seed, params.seconds, params.size, params.world)
    phone = {"crf": hard_world.CRF, "max_bitrate": round(hard_world.MAX_BITS_PER_PIXEL * params.size**2 * motion.FPS)}
    quality = phone if params.world == "hard" else {"crf": CRF}
    with (video_file.h264(video, motion.FPS, metadata=metadata, **quality) as write_frame,
          video_file.lossless(alpha, motion.FPS, "gray") as write_alpha):
        for rgb, coverage, pose, seen in Progress(shots, total=count, desc=f"samples {params.person}", unit="frame"):
            noisy = rgb + rng.normal(0, NOISE, rgb.shape)
            write_frame(np.clip(np.rint(noisy), 0, 255).astype(np.uint8))
            write_alpha(coverage)
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
    """Yields frames without noise: RGB (S, S, 3) and alpha (S, S), both uint8, the true pose, and the visibility (69,)
    of its points (body, left hand, right hand, feet, face)."""
    if not motions or round(seconds * motion.FPS) < 1:
        raise InputError(f"params.yaml: samples: {person}: {len(motions)} motions for {seconds} s; "
                         "expected at least one motion and 0.04 s")
    actor = _person(person, world)
    camera, empty = scene.Camera.from_room(actor.room, size), scene.plate(actor.room, size)
    wall, falloff = actor.room.depth if world == "hard" else None, scene.light_falloff(actor.room, size)

    def expose(subframes):
        picture, coverage = np.zeros((size, size, 3)), np.zeros((size, size, 1))
        for posed in subframes:
            rgb, alpha, shading = render.draw([posed], camera, actor.room.light, wall)
            picture += alpha * rgb * falloff + (1 - alpha) * empty * shading[..., None]
            coverage += alpha
        middle = subframes[len(subframes) // 2]
        seen, = render.visible([middle], camera)
        quantised = (np.rint(255 * part / len(subframes)).astype(np.uint8) for part in (picture, coverage[..., 0]))
        return *quantised, to_pose(camera.project(middle.points), size), seen

    body, performed = Body(actor), motion.perform(tuple(motions), seed, seconds)
    if world == "hard":
        return ordered_map(expose, hard_world.exposures(body, performed, camera))
    return ordered_map(expose, ([posed] for posed in body.pose(performed)))


def _person(name: str, world: str) -> people.SamplePerson:
    return hard_world.person(name) if world == "hard" else people.person(name)
