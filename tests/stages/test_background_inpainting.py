"""Backgrounds of a room that is known, behind a box that walks through it."""

import cv2
import numpy as np
import pytest

from stages import InputError, background_inpainting
from stages.media import tables

SIZE, FULL, CROP, COUNT = 96, (200, 150), (40, 10, 120), 40


def room() -> np.ndarray:
    rng = np.random.default_rng(0)
    texture = sum(cv2.GaussianBlur(rng.normal(0, 1, (FULL[1] + 40, FULL[0] + 40, 3)), (0, 0), r) * r for r in (2, 6))
    return np.clip(130 + 40 * texture, 0, 255).astype(np.uint8)


def film(walk: float, drift: float):
    """Full frames with somebody of 24 x 60 pixels, `walk` pixels further in each; the camera drifts by `drift`.
    Gives full frames, square frames and square masks."""
    noise = np.random.default_rng(1)
    full, square, masks = [], [], []
    for i in range(COUNT):
        x = round(drift * i)
        picture = room()[20 : 20 + FULL[1], x : x + FULL[0]].copy()
        alpha = np.zeros(FULL[::-1], np.uint8)
        left = round(60 + walk * i)
        alpha[50:110, left : left + 24] = 255
        picture[alpha > 0] = (30, 60, 160)
        picture = np.clip(picture + noise.normal(0, 2, picture.shape), 0, 255).astype(np.uint8)
        crop = np.s_[CROP[1] : CROP[1] + CROP[2], CROP[0] : CROP[0] + CROP[2]]
        full.append(picture)
        square.append(cv2.resize(picture[crop], (SIZE, SIZE), interpolation=cv2.INTER_AREA))
        masks.append(cv2.resize(alpha[crop], (SIZE, SIZE), interpolation=cv2.INTER_AREA))
    return full, square, masks


@pytest.fixture
def paint(tmp_path, lossless, config):
    def paint(walk=1.5, drift=0.0, split=30):
        full, square, masks = film(walk, drift)
        for i in range(split, COUNT):  # what lies after the training part must not be used
            square[i][:] = 255
            masks[i][:] = 0
        whole = list(range(0, split, 3))
        tables.write(tmp_path / "clock.parquet", tables.CLOCK, {
            "frame": np.arange(COUNT), "seconds": np.arange(COUNT) / 25,
            "split": ["train"] * split + ["test"] * (COUNT - split),
        }, {"fps": 25.0, "file": "walk.mp4", "crop": CROP, "full_size": FULL, "full_frames": whole})
        out = {name: tmp_path / f"{name}.png" for name in ("background", "seen", "full_background")}
        background_inpainting.run(
            lossless("frames.mkv", square), tmp_path / "clock.parquet", lossless("full.mkv", [full[i] for i in whole]),
            lossless("masks.mkv", masks, "gray"), **out, params=config.presets["demo"].background_inpainting)
        return [cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in out.values()]
    return paint


def psnr(a, b, where=None):
    error = (a.astype(float) - b) ** 2
    return 10 * np.log10(255**2 / error[where if where is not None else ...].mean())


def test_the_room_is_found_behind_somebody_who_walks(paint):
    background, seen, full = paint()
    true = room()[20 : 20 + FULL[1], : FULL[0]][..., ::-1]
    square = cv2.resize(true[10:130, 40:160], (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    assert seen.min() == 255 and seen.shape == (SIZE, SIZE)
    assert psnr(background, square) > 38
    assert full.shape == true.shape and psnr(full, true) > 38


def test_what_is_never_seen_is_marked_and_filled(paint):
    background, seen, _ = paint(walk=0.1)
    true = room()[20 : 20 + FULL[1], : FULL[0], ::-1][10:130, 40:160]
    true = cv2.resize(true, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    hidden = seen == 0
    assert 0.04 < hidden.mean() < 0.25
    assert psnr(background, true, ~hidden) > 38
    inside = background[hidden].astype(int)
    assert np.abs(inside - (160, 60, 30)).sum(1).min() > 30  # nothing of the person, in BGR
    assert psnr(background, true) > 20


@pytest.mark.parametrize("drift, told", [(0.5, r"moves by \d+\.\d pixels, \d+\.\d% of the frame's side")])
def test_a_moving_camera_is_refused_with_how_far_it_moves(paint, drift, told):
    with pytest.raises(InputError, match=told) as error:
        paint(drift=drift)
    assert "walk.mp4" in str(error.value)
    measured = float(str(error.value).split("by ")[1].split(" pixels")[0])
    assert measured == pytest.approx(0.5 * 15 * SIZE / CROP[2], rel=0.2)  # from the middle frame to the last


def test_somebody_who_fills_the_frame_is_refused():
    with pytest.raises(InputError, match="covers every pixel"):
        background_inpainting.fill(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), bool), 0.02)
