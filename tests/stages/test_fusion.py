"""Fusion: the foreground is placed by the target's crop over the full background, with rate, sound and label."""

import av
import cv2
import numpy as np
import pytest
import torch

from stages import fusion, layout, params
from stages.learning import saved_networks
from stages.media import parquet, video_file
from stages.media.pose_table import read_poses
from stages.nets.generator import Generator, GeneratorShape
from stages.provenance import watermark
from tests.stages import toy
from tests.stages.provenance import attacks


@pytest.fixture
def learned(subject, tmp_path) -> dict:
    """All inputs of fusion: an untrained generator, no local GANs, no faces, a plain background of odd size."""
    torch.manual_seed(0)
    shape = GeneratorShape(width=8, max_channels=64, num_downsamples=2, patch_size=2, dense=True, inputs=9)
    saved_networks.save(tmp_path / "generator", Generator(shape).state_dict(), {
        "architecture": "fakemotion", "shape": vars(shape), "size": 64, "parts": ["body"], "pose_maps": "skeleton",
        "pose_context": 1, "crop": False, "crop_margin": 0.1})
    saved_networks.save(tmp_path / "local_gans", {}, {
        "parts": {}, "crop_size": 16, "limb_maps": False, "enhancement": {"faces": "none"}})
    parquet.write(tmp_path / "faces.parquet", parquet.FACES, {name: [] for name in parquet.FACES.names}, {"reason": "back"})
    cv2.imwrite(str(tmp_path / "full.png"), np.full((81, 97, 3), (40, 90, 160), np.uint8)[..., ::-1])
    toy.write_view(tmp_path / "view.parquet", len(read_poses(subject["poses"])[0]))
    poses, other, about = read_poses(subject["poses"])
    keep = np.arange(6)
    parquet.write(tmp_path / "driving.parquet", parquet.POSES,
                 poses[keep].columns() | {name: column[keep] for name, column in other.items()}, {"fps": 8.0})
    return {"driving": tmp_path / "driving.parquet", "generator": tmp_path / "generator",
            "local_gans": tmp_path / "local_gans", "faces": tmp_path / "faces.parquet",
            "full_background": tmp_path / "full.png", "target_timeline": subject["timeline"],
            "target_view": tmp_path / "view.parquet",
            "source_frames": subject["frames"], "source_timeline": subject["timeline"]}


def fuse(learned: dict, folder, config, source="other", **entry) -> dict:
    outputs = {"foreground": folder / "foreground.mkv", "unsigned": folder / "unsigned.mp4"}
    entry = params.Transfer(target="figure", source=source, preset="demo", truth="other.mp4", **entry)
    assert set(learned) == set(layout.INPUTS["fusion"])
    fusion.run(**learned, **outputs, params=config.presets["demo"].fusion.model_copy(update={"device": "cpu"}), entry=entry)
    return outputs


def test_takes_of_the_source_are_generated_independently(learned, tmp_path, config):
    columns, about = parquet.read(learned["source_timeline"], parquet.TIMELINE)
    columns["take"] = np.repeat([0, 1], [3, len(columns["frame"]) - 3])
    parquet.write(tmp_path / "takes.parquet", parquet.TIMELINE, columns, about)
    one, two = (np.stack(list(video_file.frames(fuse(read, tmp_path / name, config)["foreground"], "rgba"))) for name, read in
                (("one", learned), ("two", learned | {"source_timeline": tmp_path / "takes.parquet"})))
    assert [t for t in range(6) if (one[t] != two[t]).any()] == [2, 3]  # that meet


def test_video_has_the_target_s_size_the_source_s_rate_and_says_what_it_is(learned, tmp_path, config):
    outputs = fuse(learned, tmp_path / "out", config)
    with av.open(str(outputs["unsigned"])) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.pix_fmt, stream.codec.name) == (96, 80, "yuv420p", "h264")
        assert float(stream.average_rate) == 8.0
        said = container.metadata
    assert "AI-generated" in said["comment"] and "FakeMotion" in said["comment"]
    assert said["target"] == "figure" and said["source"] == "other"
    assert len(list(video_file.frames(outputs["foreground"], "rgba"))) == len(list(video_file.frames(outputs["unsigned"]))) == 6


def test_the_same_inputs_give_the_same_bytes(learned, tmp_path, config):
    first, second = fuse(learned, tmp_path / "a", config), fuse(learned, tmp_path / "b", config)
    for name in first:
        assert first[name].read_bytes() == second[name].read_bytes(), name


@pytest.mark.parametrize("crop", [[10.0, 5.0, 64.0], [10.0, 5.0, 128.0], [-16.0, 8.0, 32.0]])
def test_the_square_is_placed_where_the_crop_says(crop):
    plate = np.zeros((200, 200, 3), np.uint8)
    square = np.zeros((64, 64, 4), np.uint8)
    square[20:40, 30:50] = 255
    found = fusion.Placement.from_crop(crop, 64, plate).composite(square)[..., 0] / 255
    scale = crop[2] / 64
    y, x = np.mgrid[:200, :200] + 0.5
    inside = ((x > crop[0] + 30 * scale) & (x < crop[0] + 50 * scale) & (y > crop[1] + 20 * scale) & (y < crop[1] + 40 * scale))
    assert found.sum() == pytest.approx(inside.sum(), rel=0.02)
    if inside.sum() > 100:
        assert ((found * x).sum() / found.sum(), (found * y).sum() / found.sum()) == pytest.approx(
            (x[inside].mean(), y[inside].mean()), abs=0.1)


def test_where_the_foreground_is_transparent_the_background_is_untouched():
    rng = np.random.default_rng(0)
    plate = rng.integers(0, 256, (70, 90, 3), np.uint8)
    found = fusion.Placement.from_crop([3.0, -4.0, 80.0], 64, plate).composite(np.zeros((64, 64, 4), np.uint8))
    assert np.array_equal(found, plate)


@pytest.mark.parametrize("matrix", [
    [[1, 0, 0], [0, 1, 0]], [[1, 0, 7], [0, 1, -5]], [[1.37, 0, 3.2], [0, 1.37, 4.9]], [[0.4, 0, 20.3], [0, 0.4, 11.1]],
    [[2.5, 0, -60], [0, 2.5, -40]], [[1, 0, 500], [0, 1, 0]], [[1.2, 0.1, 9], [-0.1, 1.2, 20], [4e-4, -2e-4, 1]],
])
def test_computing_only_the_affected_box_gives_the_full_composite(matrix):
    """Compared with Eq. 12 on every pixel of the background, in floats."""
    rng = np.random.default_rng(0)
    plate, square = rng.integers(0, 256, (110, 130, 3), np.uint8), np.zeros((64, 64, 4), np.uint8)
    square[9:52, 20:45] = cv2.GaussianBlur(rng.integers(0, 256, (43, 25, 4), np.uint8), (0, 0), 2)
    matrix = np.vstack([*matrix, [0, 0, 1]])[:3].astype(float)
    alpha = square[..., 3:] / 255
    whole = cv2.warpPerspective(np.concatenate([square[..., :3] * alpha, alpha], -1).astype(np.float32), matrix,
                                (130, 110), flags=cv2.INTER_CUBIC)
    expected = whole[..., :3].clip(0, 255) + (1 - whole[..., 3:].clip(0, 1)) * plate
    apart = np.abs(fusion.Placement(matrix, plate).composite(square) - expected.clip(0, 255))
    assert apart.max() < 1.6 and (apart > 0.51).mean() < 1e-5


def scene(size):
    noise = np.random.default_rng(0).integers(0, 256, (size[1] // 10, size[0] // 10, 3), np.uint8)
    return cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC)


def cameras(count):
    """One that turns, tilts and leans; the reference, frame 2, lies on the canvas's pixels."""
    t = np.arange(count) - 2
    out = np.tile(np.eye(3), (count, 1, 1))
    out[:, 0, 1], out[:, 1, 0] = -0.01 * t, 0.01 * t
    out[:, 0, 2], out[:, 1, 2], out[:, 2, 0] = 25 + 5.5 * t, 20 + 2.25 * t, 1e-4 * t
    return out


@pytest.mark.parametrize("source, rows", [("figure", range(6)), ("other", [2] * 6)])
def test_a_moving_camera_s_background_is_drawn_from_the_mosaic(learned, tmp_path, config, source, rows):
    """Outside of the square, each frame shows the canvas as the camera of that frame saw it, in the target's own frame
    size. An imitation has a still camera, that of the reference frame."""
    canvas = scene((150, 120))
    cv2.imwrite(str(learned["full_background"]), canvas[..., ::-1])
    toy.write_view(learned["target_view"], 24, cameras(24), reference=2)
    plain = {"label": False, "label_reason": "it would hide what is compared"}
    found = list(video_file.frames(fuse(learned, tmp_path / "out", config, source, **plain)["unsigned"]))
    assert len(found) == 6 and found[0].shape == (80, 96, 3)
    inner = np.s_[4:-4, 4:-4]
    for row, frame in zip(rows, found):
        crop = np.zeros((120, 150), np.uint8)
        crop[5:77, 10:82] = 255  # the square, which an untrained generator fills
        matrix, flags = cameras(24)[row], cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        free = cv2.warpPerspective(crop, matrix, (96, 80), flags=flags)[inner] == 0
        wanted = cv2.warpPerspective(canvas, matrix, (96, 80), flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)[inner]
        apart = lambda picture: np.abs(picture[free].astype(float) - frame[inner][free]).mean()
        assert free.mean() > 0.1 and apart(wanted) < 7 < 3 * apart(wanted) < apart(np.roll(wanted, 3, axis=(0, 1)))


def test_nothing_is_resampled_in_the_reference_frame():
    plate, square = scene((150, 120)), np.zeros((64, 64, 4), np.uint8)
    square[10:50, 20:40] = (200, 30, 60, 255)
    static = fusion.Placement.from_crop([30.0, 25.0, 64.0], 64, plate)
    assert np.array_equal(static.in_camera(cameras(3)[2], (96, 80)).composite(square), static.composite(square)[20:100, 25:121])


def test_the_figure_moves_with_the_background():
    """A dot at a point of the canvas is drawn where the camera sees this point."""
    plate, square = np.zeros((120, 150, 3), np.uint8), np.zeros((64, 64, 4), np.uint8)
    square[30:34, 40:44] = 255
    spot = np.array([30 + 41.5, 25 + 31.5, 1])  # of the dot's middle on the canvas, from pixel centres
    for camera in cameras(8):
        found = fusion.Placement.from_crop([30.0, 25.0, 64.0], 64, plate).in_camera(camera, (96, 80)).composite(square)[..., 0]
        x, y, w = np.linalg.inv(camera) @ spot
        rows, columns = np.mgrid[:80, :96]
        middle = [(found * at).sum() / found.sum() for at in (columns, rows)]
        assert middle == pytest.approx([x / w, y / w], abs=0.05)


@pytest.fixture
def large(learned) -> dict:
    """With a background large enough for a watermark, and three seconds of motion."""
    poses, columns, about = read_poses(learned["driving"])
    frames = np.arange(24) % len(poses)
    parquet.write(learned["driving"], parquet.POSES,
                 poses[frames].columns() | {name: column[frames] for name, column in columns.items()}, about)
    cv2.imwrite(str(learned["full_background"]), np.full((280, 360, 3), (40, 90, 160), np.uint8)[..., ::-1])
    return learned


def test_the_watermark_is_the_one_named_in_the_metadata(large, tmp_path, config):
    found = {}
    for name in ("one", "two"):
        outputs = fuse(large, tmp_path / name, config, label=False, label_reason="to look at it")
        with av.open(str(outputs["unsigned"])) as container:
            found[name] = container.metadata["watermark"]
        fps = video_file.frame_rate(outputs["unsigned"])
        read = watermark.detect(attacks.timed(list(video_file.frames(outputs["unsigned"])), fps), scales=[1])
        assert read.is_significant and watermark.format_number(read.number) == found[name]
        poses, columns, about = read_poses(large["driving"])  # another motion
        parquet.write(large["driving"], parquet.POSES, poses[1:].columns() | {
            name: column[1:] for name, column in columns.items()}, about)
    assert found["one"] != found["two"]


def test_the_label_is_in_every_picture_unless_it_is_left_out_for_a_reason(large, tmp_path, config, capsys):
    shown, bare = (list(video_file.frames(fuse(large, tmp_path / str(len(entry)), config, **entry)["unsigned"]))
                   for entry in ({}, {"label": False, "label_reason": "a museum's wall says it"}))
    assert "no label: a museum's wall says it" in capsys.readouterr().out
    for one, other in zip(shown, bare, strict=True):
        rows, columns = np.nonzero(np.abs(one.astype(int) - other).max(-1) > 40)
        assert len(rows) > 500 and rows.min() > 240 and columns.max() < 150
        assert (one[240:, :150].min(-1) > 180).sum() > 50 > (other[240:, :150].min(-1) > 180).sum()  # white letters
