"""A textured wall that is known, behind a box that sways before it, with its shadow and in light that changes."""

import cv2
import numpy as np
import pytest

from stages.matting import background
from stages.matting.temporal_median import uncovered_median

HEIGHT, WIDTH, COUNT, RADIUS = 90, 120, 48, 3


def wall() -> np.ndarray:
    rng = np.random.default_rng(0)
    texture = cv2.GaussianBlur(rng.normal(0, 1, (HEIGHT, WIDTH, 3)), (0, 0), 1.5) * 20
    return 150 + texture + np.linspace(-15, 15, WIDTH)[None, :, None]  # a ramp of a quarter of a step a pixel


def film(shadow: float = 0.0, light: float = 0.0, sway: float = 20.0) -> tuple[np.ndarray, np.ndarray]:
    """Frames and where the person covers them: at the left for two thirds of the time, then at the right, where it is
    darker by `light`; a soft shadow lies beside them."""
    rng, pictures, covered = np.random.default_rng(1), [], []
    for t in range(COUNT):
        right = t >= 2 * COUNT // 3
        left = round(50 + sway * np.sin(2.3 * t) / 2 + (sway / 2 if right else -sway / 2))
        mask = np.zeros((HEIGHT, WIDTH), bool)
        mask[20:80, left : left + 16] = True
        cast = cv2.GaussianBlur(np.roll(mask, 8, 1).astype(np.float32), (0, 0), 2)[..., None]
        picture = wall() * (1 - shadow * cast) - light * right
        picture[mask] = (40, 80, 160)
        pictures.append(np.clip(np.rint(picture + rng.normal(0, 1.5, picture.shape)), 0, 255))
        covered.append(mask)
    return np.stack(pictures).astype(np.uint8), np.stack(covered)


def found(pictures, covered, viewed=None, still=True):
    viewed = np.ones_like(covered) if viewed is None else viewed
    clear = np.stack([background.clearance(*one, RADIUS) for one in zip(covered, viewed)])
    return background.estimate_background(pictures, clear, RADIUS, still)


def step(error: np.ndarray) -> float:
    """The largest jump of the error from one column to the next, as rows agree on it, in 8-bit steps."""
    return np.abs(np.diff(cv2.blur(error.mean(-1), (3, 15))[20:70], axis=1)).max()


@pytest.mark.parametrize("shadow, light, goal", [(0, 0, 0.8), (0.3, 0, 0.8), (0, 6, 1.0), (0.3, 6, 1.0)])
def test_no_seam_is_left_along_old_silhouettes(shadow, light, goal):
    pictures, covered = film(shadow, light)
    plate, seen = found(pictures, covered)
    assert seen.all() and step(plate - wall()) < goal
    if shadow:
        assert step(uncovered_median(pictures, covered)[0] - wall()) > 8


def test_the_few_moments_without_shadow_tell_the_colours():
    pictures, covered = film(0.4, 6, sway=6)
    for t in (5, 17, 18, 29):  # of 48
        pictures[t], covered[t] = wall().clip(0, 255), False
    plate, seen = found(pictures, covered)
    assert seen.all() and np.sqrt(((plate - wall()) ** 2).mean()) < 0.65


def test_a_shadow_on_one_side_of_an_edge_does_not_weaken_the_edge():
    """The shadow of a person who moves little lies on a wall in nearly every frame, and less on the dark floor below."""
    (_, covered), rng, room = film(sway=14), np.random.default_rng(2), wall()
    room[60:] *= 0.55
    share = np.where(np.arange(HEIGHT) < 60, 0.45, 0.15)[:, None, None]
    pictures = []
    for t, mask in enumerate(covered):
        cast = cv2.GaussianBlur(np.roll(mask, 14, 1).astype(np.float32), (0, 0), 2)[..., None]
        picture = room * (1 - share * cast * (t % 12 > 0))
        picture[mask] = (40, 80, 160)
        pictures.append(np.clip(np.rint(picture + rng.normal(0, 1.5, room.shape)), 0, 255))
    plate, seen = found(np.stack(pictures).astype(np.uint8), covered)
    floor = cv2.GaussianBlur((plate - room).mean(-1) * seen, (0, 0), 2)[62:78]
    assert np.sqrt((floor**2).mean()) < 5


def test_edges_are_those_that_the_typical_brightness_has_too():
    typical = np.full((20, 30), 3000, np.int16)
    typical[10:] = 2000  # weakened by a shadow
    bright = typical.copy()
    bright[:10] += 2000
    bright[14:17, 5:9] += 2000  # an object in few frames
    bright[:, 20:] += 100       # too small
    down, across = background._edges(bright, typical, 0.1)
    assert not across.any() and not np.delete(down, 9, 0).any()
    assert down[9, :20] == pytest.approx(-3000 + 200**2 / 3000, abs=1)


@pytest.mark.parametrize("light", [0, 6])
def test_a_camera_that_moved_leaves_no_seam_either(light):
    plate, seen = found(*film(0, light), still=False)
    assert seen.all() and step(plate - wall()) < 1


def test_the_wall_is_found_to_a_fraction_of_the_noise():
    plate, seen = found(*film())
    assert seen.all() and np.sqrt(((plate - wall()) ** 2).mean()) < 0.75  # of 1.5; rounding alone leaves 0.3


def test_what_was_never_seen_is_said_and_empty():
    pictures, covered = film(sway=0)
    plate, seen = found(pictures, covered)
    distance = np.stack([cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5) for mask in covered])
    assert np.array_equal(seen, (distance > RADIUS).any(0))
    assert not plate[~seen].any() and 0.05 < (~seen).mean() < 0.3


def test_what_a_frame_did_not_view_is_not_taken_from_it():
    pictures, covered = film()
    viewed = np.ones_like(covered)
    viewed[::2, :, :40] = False
    pictures[::2, :, :40] = 255
    viewed[:, :10] = False
    plate, seen = found(pictures, covered, viewed)
    assert np.array_equal(seen, viewed.any(0)) and np.abs(plate - wall())[seen].max() < 6


def test_rows_and_frames_are_taken_in_blocks(monkeypatch):
    given = film(0.3, 6)
    whole = found(*given)[0]
    monkeypatch.setattr(background, "_ROWS", 7)
    assert np.array_equal(found(*given)[0], whole)
