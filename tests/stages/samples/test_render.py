from dataclasses import replace

import numpy as np
import pytest

from stages.pose import skeleton
from stages.samples import motion, people, render, scene, shadow
from stages.samples.body import NUM_POINTS, Body, PosedBody

LIGHT = (0.0, 1.0, 0.5)


def ball(centre, radius):
    """A body that consists of one red ball."""
    row = np.r_[(np.eye(3) / radius).ravel(), centre, 0.0, 1.0, 1.0, np.full(3, radius**-2.0)]
    bone = np.r_[centre, np.eye(3).ravel(), 0.0, 0.1]
    return PosedBody(row[None], np.zeros(1), np.zeros((1, 3), int), bone[None],
                 np.array([[0, 1, 0, 0, 0, 0, 0, 0.1, 0]], float),
                 np.full(16, 0.2), np.tile(np.array(centre, float), (NUM_POINTS, 1)), np.full(NUM_POINTS, 1.2 * radius))


def camera(size=128):
    return scene.Camera.from_room(people.person("ava").room, size)


@pytest.mark.parametrize("centre,radius", [((0, 1.0, 0), 0.3), ((0.4, 1.4, 0.3), 0.1), ((-0.5, 0.7, -0.2), 0.03)])
def test_alpha_is_the_area_that_a_ball_covers(centre, radius):
    view = camera()
    _, cover, _ = render.draw([ball(centre, radius)], view, LIGHT)
    x, y = np.meshgrid((np.arange(128 * 16) + 0.5) / 16, (np.arange(128 * 16) + 0.5) / 16)
    rays = np.stack([(x - view.centre[0]) / view.focal, (view.centre[1] - y) / view.focal, -np.ones_like(x)], -1)
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    way = np.array(centre) - view.eye
    along = rays @ way
    inside = way @ way - along**2 < radius**2
    truth = inside.reshape(128, 16, 128, 16).mean((1, 3))
    assert np.abs(cover[..., 0] - truth).max() < 0.16
    assert cover.sum() == pytest.approx(truth.sum(), rel=0.01 if radius > 0.05 else 0.04)


def test_the_nearer_body_hides_the_other():
    near, far = ball((0, 1.0, 0.5), 0.1), ball((0, 1.0, -0.5), 0.3)
    _, cover, _ = render.draw([far, near], camera(), LIGHT)
    x, y = camera().project(np.array([0, 1.0, 0])).astype(int)
    assert tuple(cover[y, x]) == (0, 1)
    assert cover.sum(-1).max() <= 1 + 1e-9 and cover[..., 0].sum() > 0
    seen_far, seen_near = render.visible([far, near], camera())
    assert seen_near.all() and not seen_far.any()


def test_the_shadow_is_on_the_floor_only_and_limited():
    _, cover, kept = render.draw([ball((0, 0.3, 0), 0.3)], camera(), LIGHT)
    assert kept.min() >= 1 - shadow.MAX_DARKENING and kept.min() < 0.95
    assert (kept[: int(camera().centre[1])] == 1).all()


def test_visible_points_from_the_front_and_from_behind():
    who = people.person("ben")
    still = motion.perform(("squat",), 0, 0.04)
    for yaw, eyes in ((0.0, True), (np.pi, False)):
        turned = replace(still, channels=still.channels | {"yaw": np.full(1, yaw), "look": np.zeros(1)},
                         feet=still.feet + [0, 0, yaw, 0])
        posed, = Body(who).pose(turned)
        seen, = render.visible([posed], scene.Camera.from_room(who.room, 128))
        assert seen[[skeleton.R_EYE, skeleton.L_EYE, skeleton.NOSE]].all() == eyes
        assert seen[[skeleton.R_SHOULDER, skeleton.L_SHOULDER, skeleton.R_KNEE, skeleton.L_KNEE]].all()


def test_a_person_is_in_one_piece():
    who = people.person("cleo")
    import cv2
    for posed in list(Body(who).pose(motion.perform(("kick", "dance"), 1, 4.0)))[::25]:
        _, cover, _ = render.draw([posed], scene.Camera.from_room(who.room, 128), LIGHT)
        assert cv2.connectedComponents((cover[..., 0] > 0.3).astype(np.uint8))[0] == 2  # background and person
