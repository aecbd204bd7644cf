"""Two rendered people who walk about in one room, with everything that is true about both."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from stages.pose.skeleton import L_HIP, R_HIP, Pose
from stages.samples import motion, people, render, scene
from stages.samples.body import Body
from stages.samples.people import SamplePerson
from stages.samples.truth import to_pose

ROOM = replace(people.person("stranger_31").room, view=3.0, distance=5.0)
FPS = motion.FPS
AWAY = 2.4  # metres to the side: out of the picture


@dataclass(frozen=True)
class Walker:
    """A person and the corners of their way: second, metres to the right of the room's middle, metres towards the
    camera. Between two corners they walk; where two are at one place they stand and face the camera."""

    person: SamplePerson
    way: tuple[tuple[float, float, float], ...]
    seed: int = 0

    def poses(self, count: int):
        seconds, x, z = np.array(self.way).T
        time = np.arange(count) / FPS
        places = [np.interp(time, seconds, along) / self.person.height for along in (x, z)]
        speed = np.gradient(places[0]) * FPS
        heading = np.clip(speed / 0.3, -1, 1) * np.pi / 2
        window = np.hanning(13) / np.hanning(13).sum()
        heading = np.convolve(np.pad(heading, 6, "edge"), window, "valid")
        still = motion.perform(("squat",), self.seed, count / FPS)
        calm = {name: np.full(count, value) for name, value in motion.REST.items()}
        beat = np.sin(2 * np.pi * time / (2 * motion.STEP_SECONDS)) * np.clip(np.abs(speed), 0, 0.5)
        calm |= {"l_swing": 0.1 + np.abs(beat), "r_swing": 0.1 + np.abs(beat), "l_azimuth": np.pi / 2 * np.sign(beat),
                 "r_azimuth": -np.pi / 2 * np.sign(beat)}
        return Body(self.person).pose(motion.walking(replace(still, channels=calm), *places, heading))


class Duo:
    """Their video, rendered frame by frame as it is asked for."""

    def __init__(self, walkers: list[Walker], seconds: float, size: int):
        self.count, self.size = round(seconds * FPS), size
        self._bodies = list(zip(*(walker.poses(self.count) for walker in walkers)))
        self._camera, self._empty = scene.Camera.of(ROOM, size), scene.plate(ROOM, size)

    @cache
    def shot(self, frame: int) -> np.ndarray:
        """RGB (size, size, 3) uint8, with a little noise."""
        bodies = list(self._bodies[frame])
        rgb, cover, kept = render.draw(bodies, self._camera, ROOM.light)
        alpha = cover.sum(-1, keepdims=True)
        picture = 255 * (alpha * rgb + (1 - alpha) * self._empty * kept[..., None])
        noisy = picture + np.random.default_rng(frame).normal(0, 1.5, rgb.shape)
        return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)

    @cache
    def poses(self, frame: int) -> list[Pose]:
        """Where both truly are."""
        return [to_pose(self._camera.project(body.points), self.size) for body in self._bodies[frame]]

    def behind(self, frame: int, who: int) -> float:
        """The share of somebody's joints that the other hides."""
        bodies = list(self._bodies[frame])
        alone, = render.visible([bodies[who]], self._camera)
        return 1 - render.visible(bodies, self._camera)[who][alone].mean()

    def nearest(self, frame: int, place: np.ndarray) -> int:
        """Whose hips are nearest to a point (x, y)."""
        hips = [pose.body[[R_HIP, L_HIP], :2].mean(0) for pose in self.poses(frame)]
        return int(np.argmin([np.linalg.norm(place - point) for point in hips]))


def dressed_like(person: SamplePerson, other: SamplePerson) -> SamplePerson:
    return replace(person, top=other.top, sleeve=other.sleeve, bottom=other.bottom, trouser=other.trouser)


def crossing(one: SamplePerson, other: SamplePerson, seconds: float = 3.6) -> list[Walker]:
    """They stand, walk past each other, the first in front, and stand again."""
    start, stop = 0.8, seconds - 0.8
    return [Walker(person, ((0, -side, z), (start, -side, z), (stop, side, z), (seconds, side, z)))
            for person, side, z in ((one, 0.9, 0.25), (other, -0.9, -0.3))]


def leaving(one: SamplePerson, other: SamplePerson) -> list[Walker]:
    """In 5 s, the first walks to the middle and stays; the other goes out of the picture and comes back."""
    return [Walker(one, ((0, -0.7, 0.2), (0.8, -0.7, 0.2), (2.6, 0.0, 0.2), (5, 0.0, 0.2))),
            Walker(other, ((0, 0.7, -0.3), (0.8, 0.7, -0.3), (2.2, AWAY, -0.3), (3.0, AWAY, -0.3), (4.4, 0.9, -0.3),
                           (5, 0.9, -0.3)))]
