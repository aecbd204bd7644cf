"""A rendered video of two people who walk around in one room, with its ground truth."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from stages.pose.skeleton import L_HIP, R_HIP, Pose
from stages.samples import motion, people, render, scene
from stages.samples.body import Body
from stages.samples.motion import Motion
from stages.samples.people import SamplePerson
from stages.samples.truth import to_pose

ROOM = replace(people.person("stranger_31").room, view=3.0, distance=5.0)
FPS = motion.FPS
AWAY = 2.4  # metres to the side: outside the image


def walking(performed: Motion, x: np.ndarray, z: np.ndarray, yaw: np.ndarray) -> Motion:
    """The motion along another path: x, z (body heights) and yaw (radians), (T,) each."""
    channels = performed.channels | {"x": x, "z": z, "yaw": yaw}
    return Motion(channels, motion.footsteps(channels))


@dataclass(frozen=True)
class Walker:
    """A person and the corners of their path: (second, metres to the right of the room's centre, metres towards the
    camera). The person walks from corner to corner, and stands and faces the camera between two corners at one
    position."""

    person: SamplePerson
    path: tuple[tuple[float, float, float], ...]
    seed: int = 0

    def poses(self, count: int):
        seconds, x, z = np.array(self.path).T
        time = np.arange(count) / FPS
        positions = [np.interp(time, seconds, along) / self.person.height for along in (x, z)]
        speed = np.gradient(positions[0]) * FPS
        heading = np.clip(speed / 0.3, -1, 1) * np.pi / 2
        window = np.hanning(13) / np.hanning(13).sum()
        heading = np.convolve(np.pad(heading, 6, "edge"), window, "valid")
        still = motion.perform(("squat",), self.seed, count / FPS)
        calm = {name: np.full(count, value) for name, value in motion.REST.items()}
        beat = np.sin(2 * np.pi * time / (2 * motion.STEP_SECONDS)) * np.clip(np.abs(speed), 0, 0.5)
        calm |= {"l_swing": 0.1 + np.abs(beat), "r_swing": 0.1 + np.abs(beat), "l_azimuth": np.pi / 2 * np.sign(beat),
                 "r_azimuth": -np.pi / 2 * np.sign(beat)}
        return Body(self.person).pose(walking(replace(still, channels=calm), *positions, heading))


class Duo:
    """The video of two walkers; frames are rendered on demand."""

    def __init__(self, walkers: list[Walker], seconds: float, size: int):
        self.count, self.size = round(seconds * FPS), size
        self._bodies = list(zip(*(walker.poses(self.count) for walker in walkers)))
        self._camera, self._empty = scene.Camera.from_room(ROOM, size), scene.plate(ROOM, size)

    @cache
    def shot(self, frame: int) -> np.ndarray:
        """RGB (size, size, 3) uint8 with sensor noise."""
        bodies = list(self._bodies[frame])
        rgb, coverage, shading = render.draw(bodies, self._camera, ROOM.light)
        alpha = coverage.sum(-1, keepdims=True)
        picture = 255 * (alpha * rgb + (1 - alpha) * self._empty * shading[..., None])
        noisy = picture + np.random.default_rng(frame).normal(0, 1.5, rgb.shape)
        return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)

    @cache
    def poses(self, frame: int) -> list[Pose]:
        """The true poses of both people."""
        return [to_pose(self._camera.project(body.points), self.size) for body in self._bodies[frame]]

    def behind(self, frame: int, who: int) -> float:
        """The fraction of a person's joints that the other person hides."""
        bodies = list(self._bodies[frame])
        alone, = render.visible([bodies[who]], self._camera)
        return 1 - render.visible(bodies, self._camera)[who][alone].mean()

    def nearest(self, frame: int, position: np.ndarray) -> int:
        """Index of the person whose hips are nearest to a point (x, y)."""
        hips = [pose.body[[R_HIP, L_HIP], :2].mean(0) for pose in self.poses(frame)]
        return int(np.argmin([np.linalg.norm(position - point) for point in hips]))


def dressed_like(person: SamplePerson, other: SamplePerson) -> SamplePerson:
    return replace(person, top=other.top, sleeve=other.sleeve, bottom=other.bottom, trouser=other.trouser)


def crossing(one: SamplePerson, other: SamplePerson, seconds: float = 3.6) -> list[Walker]:
    """Both stand, walk past each other with the first in front, and stand again."""
    start, stop = 0.8, seconds - 0.8
    return [Walker(person, ((0, -side, z), (start, -side, z), (stop, side, z), (seconds, side, z)))
            for person, side, z in ((one, 0.9, 0.25), (other, -0.9, -0.3))]


def leaving(one: SamplePerson, other: SamplePerson) -> list[Walker]:
    """In 5 s, the first walks to the centre and stays; the other leaves the image and comes back."""
    return [Walker(one, ((0, -0.7, 0.2), (0.8, -0.7, 0.2), (2.6, 0.0, 0.2), (5, 0.0, 0.2))),
            Walker(other, ((0, 0.7, -0.3), (0.8, 0.7, -0.3), (2.2, AWAY, -0.3), (3.0, AWAY, -0.3), (4.4, 0.9, -0.3),
                           (5, 0.9, -0.3)))]
