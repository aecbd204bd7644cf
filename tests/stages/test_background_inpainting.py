"""Backgrounds of a known room with a box that moves through it."""

import re
from functools import cache

import cv2
import numpy as np
import pytest

from stages import InputError, background_inpainting
from stages.media import footage, parquet
from stages.media.view import stabilised_crop, warp_to_canvas

SIZE, FULL, CROP, COUNT = 96, (200, 150), (40, 10, 120), 40


@cache
def room() -> np.ndarray:
    rng = np.random.default_rng(0)
    texture = sum(cv2.GaussianBlur(rng.normal(0, 1, (FULL[1] + 40, FULL[0] + 40, 3)), (0, 0), r) * r for r in (2, 6))
    return np.clip(130 + 40 * texture, 0, 255).astype(np.uint8)


def wide_room() -> np.ndarray:
    return np.concatenate([room()[:150, :200], room()[:150, :100, ::-1]], 1)  # (150, 300, 3)


def film(walk: float):
    """Full frames with a person of 24 x 60 pixels who moves by `walk` pixels a frame. Returns full frames, square
    frames and square masks."""
    noise = np.random.default_rng(1)
    full, square, masks = [], [], []
    for i in range(COUNT):
        picture = room()[20 : 20 + FULL[1], : FULL[0]].copy()
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
    """Runs the stage on a film and returns its outputs in BGR."""
    def paint(walk=1.5, split=30, inpainter="telea"):
        full, square, masks = film(walk)
        for i in range(split, COUNT):  # what lies after the training part must not be used
            square[i][:] = 255
            masks[i][:] = 0
        whole = list(range(0, split, 3))
        write_timeline(tmp_path / "timeline.parquet", FULL, split, whole)
        write_view(tmp_path / "view.parquet", False, np.tile(np.eye(3), (COUNT, 1, 1)), FULL)
        return run(lossless("frames.mkv", square), lossless("full.mkv", [full[i] for i in whole]),
                   lossless("masks.mkv", masks, "gray"), block(config, inpainter))
    return paint


@pytest.fixture
def pan(tmp_path, lossless, config):
    """The same with a camera that pans to the right over a canvas twice as wide as a frame, in a room 120 high."""
    def pan():
        canvas, true = (300, 150), wide_room()
        cameras = np.tile(np.eye(3), (COUNT, 1, 1))
        cameras[:, 0, 2] = np.linspace(0, canvas[0] - 160, COUNT).round()  # frames of 160 x 150
        full, square, masks = [], [], []
        for i, camera in enumerate(cameras):
            x = int(camera[0, 2])
            alpha = np.zeros(true.shape[:2], np.uint8)
            alpha[50:110, x + 60 : x + 84] = 255
            picture = np.where(alpha[..., None] > 0, (30, 60, 160), true).astype(np.uint8)
            full.append(warp_to_canvas(picture[:, x : x + 160], camera, canvas))
            square.append(stabilised_crop(picture[:, x : x + 160], camera, CROP, SIZE))
            masks.append(footage.crop_square(np.repeat(alpha[..., None], 3, 2), CROP, SIZE)[..., 0])
        write_timeline(tmp_path / "timeline.parquet", canvas, COUNT, list(range(0, COUNT, 2)))
        write_view(tmp_path / "view.parquet", True, cameras, (160, 150))
        return run(lossless("frames.mkv", square), lossless("full.mkv", full[::2]),
                   lossless("masks.mkv", masks, "gray"), block(config, "telea"))
    return pan


def block(config, inpainter):
    return config.presets["demo"].background_inpainting.model_copy(update={
        "inpainter": inpainter, "large_share": 0.0, "large_depth": 0.0, "size": 64, "width": 4, "steps": 2, "batch": 1, "device": "cpu"})


def write_timeline(path, full_size, split, whole):
    parquet.write(path, parquet.TIMELINE, {
        "frame": np.arange(COUNT), "seconds": np.arange(COUNT) / 25,
        "split": ["train"] * split + ["test"] * (COUNT - split), "take": [0] * COUNT,
    }, {"fps": 25.0, "file": "walk.mp4", "crop": CROP, "full_size": full_size, "full_frames": whole})


def write_view(path, moving, cameras, frame_size):
    parquet.write(path, parquet.VIEW, {
        "frame": np.arange(COUNT), "box": np.zeros((COUNT, 4)), "people": np.ones(COUNT, int),
        "camera": cameras.reshape(-1, 9), "light": np.tile([1, 0], (COUNT, 3)),
    }, {"moving": moving, "reference": 0, "frame_size": frame_size})


def run(frames, full_frames, masks, params):
    folder = frames.parent
    out = {name: folder / f"{name}.png" for name in ("background", "seen", "full_background")}
    background_inpainting.run(frames=frames, timeline=folder / "timeline.parquet", view=folder / "view.parquet",
                              full_frames=full_frames, masks=masks, **out, params=params)
    return [cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in out.values()]


def psnr(a, b, where=None):
    error = (a.astype(float) - b) ** 2
    return 10 * np.log10(255**2 / error[where if where is not None else ...].mean())


def test_the_room_is_recovered_behind_a_moving_person(paint):
    background, seen, full = paint()
    true = room()[20 : 20 + FULL[1], : FULL[0]][..., ::-1]
    square = cv2.resize(true[10:130, 40:160], (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    assert seen.min() == 255 and seen.shape == (SIZE, SIZE)
    assert psnr(background, square) > 38
    assert full.shape == true.shape and psnr(full, true) > 38


@pytest.mark.parametrize("inpainter", ["telea", "navier_stokes", "fsr", "gated"])
def test_unseen_pixels_are_marked_and_inpainted(paint, inpainter):
    background, seen, full = paint(walk=0.1, inpainter=inpainter)
    whole = room()[20 : 20 + FULL[1], : FULL[0], ::-1]
    true = cv2.resize(whole[10:130, 40:160], (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    hidden = seen == 0
    assert 0.04 < hidden.mean() < 0.25
    assert psnr(background, true, ~hidden) > 38
    inside = background[hidden].astype(int)
    assert np.abs(inside - (160, 60, 30)).sum(1).min() > 30  # nothing of the person, in BGR
    assert psnr(background, true) > 20 and psnr(full, whole) > 20
    square = cv2.resize(full[10:130, 40:160], (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    inner = hidden[:, 1:] & hidden[:, :-1]
    steps = [np.diff(picture.astype(int), axis=1)[inner] for picture in (square, background)]
    assert np.abs(steps[0] - steps[1]).mean() < 1.5  # one and the same filling, laid in without a seam


def test_the_inpainters_differ(paint):
    filled = [paint(walk=0.1, inpainter=name)[2] for name in ("telea", "navier_stokes", "fsr", "gated")]
    assert not any(np.array_equal(filled[i], filled[i - 1]) for i in range(4))


@pytest.mark.parametrize("hole, chosen, said", [
    (np.s_[20:60, 30:70], "gated", "a large hole, 16.0% of the square"),
    (np.s_[20:30, 30:40], "navier_stokes", "a small hole"),          # little
    (np.s_[10:14, :], "navier_stokes", "2.0% of that side deep"),    # much, but a slit
    (np.s_[60:, 30:70], "gated", "20.0% of that side deep"),         # at the frame's edge, where nothing was seen
])
def test_the_network_is_trained_only_for_a_large_hole(config, hole, chosen, said):
    hidden = np.zeros((100, 150), bool)
    hidden[hole] = True
    params = config.presets["demo"].background_inpainting.model_copy(update={
        "inpainter": "gated", "small_inpainter": "navier_stokes", "large_share": 0.03, "large_depth": 0.05})
    inpainter, why = background_inpainting.chosen_inpainter(hidden, params)
    assert inpainter == chosen and said in why


def test_the_log_says_which_inpainter_ran_and_why(paint, capsys):
    paint(walk=0.1)
    assert re.search(r"seen in 30 frames, the rest inpainted \(telea: a large hole, \d+\.\d% of", capsys.readouterr().out)
    paint()
    assert "nothing to inpaint" in capsys.readouterr().out


def test_a_panning_camera_leaves_a_mosaic_wider_than_any_frame(pan):
    background, seen, full = pan()
    assert full.shape == (150, 300, 3) and psnr(full, wide_room()[..., ::-1]) > 38
    square = cv2.resize(wide_room()[10:130, 40:160, ::-1], (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    assert seen.min() == 255 and psnr(background, square) > 38


def test_pixels_the_camera_never_saw_repeat_the_edge(config):
    plate, viewed = room()[:80, :80], np.ones((80, 80), bool)
    viewed[:, 60:] = viewed[:10] = False
    known = viewed.copy()
    known[30:50, 20:30] = False
    filled, _ = background_inpainting.fill(plate, known, viewed, block(config, "telea"))
    assert np.array_equal(filled[known], plate[known])
    assert np.array_equal(filled[55:, 60:], np.repeat(plate[55:, 59:60], 20, 1))
    assert 0 < psnr(filled[30:50, 20:30], plate[30:50, 20:30]) < 60  # not merely left


@pytest.mark.parametrize("inpainter", ["telea", "gated"])
def test_a_large_plate_is_filled_at_a_bounded_size(config, inpainter):
    plate = cv2.resize(room(), (1600, 1200), interpolation=cv2.INTER_CUBIC)
    known = np.ones(plate.shape[:2], bool)
    known[300:900, 600:800] = False
    emptied = np.where(known[..., None], plate, 0).astype(np.uint8)
    filled, _ = background_inpainting.fill(emptied, known, np.ones_like(known), block(config, inpainter))
    assert np.array_equal(filled[known], plate[known])
    assert np.abs(filled[~known].mean(0) - plate[~known].mean(0)).max() < 20


def test_a_person_who_fills_the_frame_is_an_error(config):
    nothing = np.zeros((4, 4), bool)
    with pytest.raises(InputError, match="covers every pixel"):
        background_inpainting.fill(np.zeros((4, 4, 3), np.uint8), nothing, ~nothing, block(config, "telea"))


def test_a_square_that_was_never_free_is_cropped_from_the_full_frame():
    other = room()[:8, :8]
    assert np.array_equal(background_inpainting.completed(0 * other, np.zeros((8, 8), bool), other), other)
