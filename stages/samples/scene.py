"""Room and camera of a rendered sample: a static pinhole camera, a floor, and a wall behind the person.

World coordinates: metres, y up, origin on the floor where the person stands. The camera is on the +z side and looks
along -z with a shifted lens, so that verticals stay vertical. `plate` renders the empty room.
"""

from dataclasses import dataclass

import numpy as np

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Room:
    wall: str               # plain, stripes, bricks, panels
    wall_colours: tuple[Colour, Colour]
    floor: str              # boards, carpet, tiles
    floor_colours: tuple[Colour, Colour]
    pictures: tuple[tuple[float, float, float, float, Colour, Colour], ...]  # centre x, y, width, height in metres
    skirting: Colour = (236, 232, 224)
    depth: float = 1.7      # from the person to the wall, metres
    view: float = 2.3       # metres that the frame covers at the person
    eye: float = 1.25       # height of the camera, metres
    distance: float = 4.2   # from the camera to the person, metres
    ground: float = 0.93    # height of the origin in the frame, fraction from the top
    light: tuple[float, float, float] = (-0.38, 0.72, 0.58)  # direction to the lamp
    dimming: float = 0.0      # fraction of the light that is lost on the side away from the lamp


@dataclass(frozen=True)
class Camera:
    size: int               # of the square frame, pixels
    eye: np.ndarray         # (3,) metres
    focal: float            # pixels
    centre: tuple[float, float]  # principal point, pixels

    @classmethod
    def from_room(cls, room: Room, size: int) -> "Camera":
        focal = size * room.distance / room.view
        return cls(size, np.array([0.0, room.eye, room.distance]), focal,
                   (size / 2, room.ground * size - focal * room.eye / room.distance))

    def project(self, points: np.ndarray) -> np.ndarray:
        """World points (..., 3) -> pixels (..., 2)."""
        depth = self.eye[2] - points[..., 2]
        x = self.centre[0] + self.focal * (points[..., 0] - self.eye[0]) / depth
        y = self.centre[1] - self.focal * (points[..., 1] - self.eye[1]) / depth
        return np.stack([x, y], -1)

    def packed(self) -> np.ndarray:
        """eye x, y, z, focal, centre x, y: the array that compiled functions take."""
        return np.array([*self.eye, self.focal, *self.centre])


def light_falloff(room: Room, size: int) -> np.ndarray:
    """The fraction of light that each column of the frame receives, (size, 1); below 1 in a dark corner."""
    position = ((np.arange(size) + 0.5) / size - 0.5) * (-1 if room.light[0] > 0 else 1)
    fraction = np.clip((position + 0.55) / 0.8, 0, 1)
    return (1 - room.dimming * fraction**2 * (3 - 2 * fraction))[:, None]


def plate(room: Room, size: int, samples: int = 3) -> np.ndarray:
    """The empty room, RGB (size, size, 3) in [0, 1], with samples x samples points per pixel."""
    camera = Camera.from_room(room, size)
    offsets = (np.arange(size * samples) + 0.5) / samples
    rows = []
    for block in np.split(offsets, range(16 * samples, len(offsets), 16 * samples)):  # bounded memory
        u, v = (offsets - camera.centre[0]) / camera.focal, (block[:, None] - camera.centre[1]) / camera.focal
        seen = _render_room(room, camera.eye, *np.broadcast_arrays(u, v))
        rows.append(seen.reshape(len(block) // samples, samples, size, samples, 3).mean((1, 3)))  # (rows, size, 3)
    return np.concatenate(rows) * light_falloff(room, size)


def _render_room(room: Room, eye: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Colours (..., 3) along rays (u, -v, -1) from the eye."""
    to_wall = eye[2] + room.depth
    to_floor = eye[1] / np.maximum(v, 1e-6)
    on_floor = to_floor < to_wall
    reach = np.where(on_floor, to_floor, to_wall)
    x, y, z = u * reach, eye[1] - v * reach, eye[2] - reach
    colour = np.where(on_floor[..., None], _floor_colour(room, x, z), _wall_colour(room, x, y))
    shade = np.where(on_floor, 0.90 + 0.06 * (z + room.depth), 1.0 - 0.05 * (x + 0.8 * y - 0.9))
    corner = np.where(on_floor, np.abs(z + room.depth), np.abs(y))
    shade = shade * (1 - 0.22 * np.exp(-corner / 0.16))  # ambient occlusion in the corner of wall and floor
    return np.clip(colour * shade[..., None], 0, 1)


def _wall_colour(room: Room, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    first, second = (np.array(c) / 255 for c in room.wall_colours)
    if room.wall == "stripes":
        mix = _band(x / 0.24, 0.36)
    elif room.wall == "bricks":
        row = np.floor(y / 0.13)
        along = x / 0.34 + 0.5 * (row % 2)
        mortar = np.maximum(_band(y / 0.13 + 0.5, 0.1), _band(along + 0.5, 0.045))
        mix = np.clip(mortar + 0.35 * _hash(np.floor(along), row) * (1 - mortar), 0, 1)
    elif room.wall == "panels":
        groove = np.maximum(_band(x / 0.6 + 0.5, 0.03), _band(y / 0.9 + 0.17, 0.02))
        mix = groove + (y < 0.74) * (1 - groove) * 0.28
    else:
        mix = 0.5 * _noise(x * 2.3, y * 2.3)
    colour = first + (second - first) * mix[..., None]
    colour = colour * (0.975 + 0.05 * _noise(x * 40, y * 40))[..., None]
    for cx, cy, width, height, ground, figure in room.pictures:
        a, b = 2 * (x - cx) / width, 2 * (y - cy) / height
        rim = np.maximum(np.abs(x - cx) - width / 2, np.abs(y - cy) - height / 2)
        figure_here = (a - 0.25) ** 2 + (b - 0.2) ** 2 < 0.2
        hills = b < -0.25 + 0.3 * np.sin(3.1 * a + 5 * cx)
        inner = np.where((figure_here | hills)[..., None], np.array(figure) / 255, np.array(ground) / 255)
        inner = inner * (0.92 + 0.08 * b)[..., None]
        framed = np.where((rim > -0.028)[..., None], np.array([0.24, 0.19, 0.16]), inner)
        colour = np.where((rim < 0)[..., None], framed, colour * (1 - 0.25 * np.exp(-np.maximum(rim, 0) / 0.02))[...,
                                                                                                                 None])
    return np.where((y < 0.09)[..., None], np.array(room.skirting) / 255 * (0.9 + 0.1 * (y > 0.015))[..., None], colour)


def _floor_colour(room: Room, x: np.ndarray, z: np.ndarray) -> np.ndarray:
    first, second = (np.array(c) / 255 for c in room.floor_colours)
    if room.floor == "boards":
        board = np.floor(x / 0.17)
        along = z / 1.1 + _hash(board, 3.0)
        grain = 0.55 * _hash(board, np.floor(along)) + 0.35 * _noise(x * 45, z * 3.5)
        mix = np.maximum(grain, np.maximum(_band(x / 0.17 + 0.5, 0.05), 0.8 * _band(along + 0.5, 0.01)))
    elif room.floor == "tiles":
        mix = 0.75 * ((np.floor(x / 0.42 + 0.5) + np.floor(z / 0.42)) % 2) + 0.2 * _noise(x * 9, z * 9)
    else:
        mix = 0.6 * _noise(x * 55, z * 40) + 0.4 * _noise(x * 4, z * 4)
    return first + (second - first) * np.clip(mix, 0, 1)[..., None]


def _band(value: np.ndarray, width: float) -> np.ndarray:
    """1 in a band of `width` around the middle of every unit interval, with soft edges; else 0."""
    off = np.abs(value - np.floor(value) - 0.5)
    return np.clip((width / 2 - off) / 0.02 + 0.5, 0, 1)


def _hash(i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """A pseudo-random number in [0, 1) for every pair of integers."""
    value = np.sin(i * 127.1 + j * 311.7 + 17.0) * 43758.5453
    return value - np.floor(value)


def _noise(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Value noise in [0, 1) on a grid of integers."""
    i, j = np.floor(x), np.floor(y)
    a, b = x - i, y - j
    a, b = a * a * (3 - 2 * a), b * b * (3 - 2 * b)
    low = _hash(i, j) * (1 - a) + _hash(i + 1, j) * a
    high = _hash(i, j + 1) * (1 - a) + _hash(i + 1, j + 1) * a
    return low * (1 - b) + high * b
