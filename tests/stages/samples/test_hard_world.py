from dataclasses import replace

import numpy as np
import pytest

from stages import samples
from stages.samples import hard_world, motion, people, render, scene, shadow
from stages.samples.body import Body

WALL, LIGHT = 0.8, np.array((0.4, 0.34, 0.85)) / np.linalg.norm((0.4, 0.34, 0.85))
BALL = np.array((0.1, 0.5, -0.2)), 0.15  # centre, radius in metres


def shaded_room(size):
    """The light (S, S) that the room keeps next to one ball; the point of the room in every pixel; which are floor."""
    centre, radius = BALL
    row = np.r_[(np.eye(3) / radius).ravel(), centre, 0.0, 1.0, 1.0, np.full(3, radius**-2.0)]
    view = scene.Camera.from_room(replace(people.person("ava").room, depth=WALL), size)
    v, u = np.mgrid[:size, :size] + 0.5
    down = (v - view.centre[1]) / view.focal
    floor = down > view.eye[1] / (view.eye[2] + WALL)
    depth = np.where(floor, view.eye[1] / np.where(floor, down, 1), view.eye[2] + WALL)
    points = np.stack([(u - view.centre[0]) / view.focal * depth, view.eye[1] - down * depth, view.eye[2] - depth], -1)
    light = np.ones((size, size))
    shadow._shade_room(row[None], np.zeros(1, int), view.packed(), LIGHT, WALL, 1, light)
    half = shadow.shade_room(row[None], np.zeros(1, int), view, LIGHT, WALL)
    assert half.shape == light.shape and np.abs(half - light).mean() < 0.005
    return light, points, floor


def test_shading_agrees_with_ray_casting_to_the_lamp_and_the_sky():
    found, points, floor = shaded_room(64)
    rng, (centre, radius) = np.random.default_rng(0), BALL
    across = np.cross(LIGHT, (0, 1, 0)) / np.linalg.norm(np.cross(LIGHT, (0, 1, 0)))
    radii, angles = shadow.LAMP_RADIUS * np.sqrt(rng.random(600)), rng.uniform(0, 2 * np.pi, 600)
    up = np.cross(across, LIGHT)
    lamp = LIGHT + radii[:, None] * (np.cos(angles)[:, None] * across + np.sin(angles)[:, None] * up)
    square, around = rng.random(600), rng.uniform(0, 2 * np.pi, 600)  # cosine-weighted directions
    sky = np.stack([np.sqrt(square) * np.cos(around), np.sqrt(square) * np.sin(around), np.sqrt(1 - square)], -1)
    for row, column in rng.integers(0, 64, (300, 2)):
        point = points[row, column]
        on_floor = floor[row, column]
        share = [_hit(point, ways, centre, radius) for ways in (lamp, sky[:, [0, 2, 1]] if on_floor else sky)]
        light = 1 - shadow.KEY * LIGHT[1 if on_floor else 2] * share[0] - shadow.FILL * share[1]
        assert found[row, column] == pytest.approx(light, abs=0.04)


def _hit(point, ways, centre, radius):
    """The fraction of rays that hit the ball."""
    ways = ways / np.linalg.norm(ways, axis=-1, keepdims=True)
    along = ways @ (centre - point)
    return ((along > 0) & ((centre - point) @ (centre - point) - along**2 < radius**2)).mean()


def test_an_exposure_is_the_mean_of_its_subframes():
    """RGB and alpha are means; pixels without person show the shaded room; joints are those of the plain world."""
    about = ("ava", ("wave", "dance"), 3, 0.2, 96)
    shots, plain = list(samples.frames(*about, "hard")), list(samples.frames(*about))
    who = hard_world.person("ava")
    camera, empty = scene.Camera.from_room(who.room, 96), scene.plate(who.room, 96)
    for (rgb, alpha, pose, _), (_, _, same, _), moments in zip(
            shots, plain, hard_world.exposures(Body(who), motion.perform(*about[1:4]), camera), strict=True):
        drawn = [render.draw([posed], camera, who.room.light, who.room.depth) for posed in moments]
        cover = np.mean([part[1] for part in drawn], axis=0)
        assert np.abs(alpha / 255 - cover[..., 0]).max() <= 0.5 / 255 + 1e-9
        person = np.mean([rgb * cover for rgb, cover, _ in drawn], axis=0)
        dark = (rgb / 255 - person) / np.maximum(empty, 0.1)  # the rest is the plate, shaded, times 1 - alpha
        free = cover[..., 0] < 0.5
        assert (dark <= 1 - cover + 0.03)[free].all() and (dark >= (1 - cover) * 0.1)[free].all()
        assert np.abs(pose.body - same.body).max() < 0.05


def test_fast_frames_have_more_subframes_spread_over_the_exposure():
    who = hard_world.person("ben")
    performed = motion.perform(("wave",), 1, 1.0)
    camera = scene.Camera.from_room(who.room, 256)
    moments = list(hard_world.exposures(Body(who), performed, camera))
    counts = np.array([len(exposure) for exposure in moments])
    middles = np.array([exposure[len(exposure) // 2].points for exposure in moments])
    speed = np.linalg.norm(np.gradient(camera.project(middles), axis=0), axis=-1).max(-1)  # pixels a frame
    assert (counts % 2 == 1).all() and counts.max() <= hard_world.MAX_SUBFRAMES
    assert np.corrcoef(counts, speed)[0, 1] > 0.8
    for exposure, pace in zip(moments[1:-1], speed[1:-1]):
        ends = camera.project(np.stack([exposure[0].points, exposure[-1].points]))
        way = np.linalg.norm(ends[1] - ends[0], axis=-1).max()
        assert way == pytest.approx(pace * hard_world.EXPOSURE * (1 - 1 / len(exposure)), rel=0.3, abs=1.0)


@pytest.mark.parametrize("name", ["stranger_302", "stranger_7"])  # skirt, long hair and a bottle; a ball
def test_hair_cloth_and_held_objects_are_connected_to_the_person(name):
    import cv2
    who = hard_world.person(name)
    assert who.dynamic and who.held
    view, body = scene.Camera.from_room(who.room, 128), Body(who)
    for moments in list(hard_world.exposures(body, motion.perform(("kick", "dance"), 1, 2.0), view))[::25]:
        _, cover, _ = render.draw([moments[0]], view, who.room.light, WALL)
        assert cv2.connectedComponents((cover[..., 0] > 0.3).astype(np.uint8))[0] == 2  # background and person


def test_a_dark_corner_darkens_the_room():
    who = hard_world.person("stranger_102")
    assert who.room.dimming and max(*who.top.colour, *who.bottom.colour) <= 60
    lit = replace(who.room, dimming=0.0)
    dark, light = scene.plate(who.room, 64), scene.plate(lit, 64)
    day = scene.light_falloff(who.room, 64)
    assert np.allclose(dark, light * day) and day.min() < 0.3 and day.max() > 0.95
    assert (np.diff(day[:, 0]) * who.room.light[0] >= 0).all() and (scene.light_falloff(lit, 64) == 1).all()
