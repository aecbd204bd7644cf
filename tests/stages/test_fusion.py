"""Fusion: placed where the crop says, over the full background, with rate, sound and a truthful label."""

import av
import cv2
import numpy as np
import pytest
import torch

from stages import fusion, layout, params
from stages.learning import footage, weights
from stages.media import tables, video
from stages.nets.generator import Generator, GeneratorShape
from stages.vision.skeleton import read_poses


@pytest.fixture
def learned(subject, tmp_path) -> dict:
    """All that fusion reads: an untrained generator, no local GANs, no faces, a plain background of odd size."""
    torch.manual_seed(0)
    shape = GeneratorShape(width=8, levels=2, stem=2, dense=True, inputs=footage.channels(("body",), "lines"))
    weights.save(tmp_path / "generator", Generator(shape).state_dict(), {
        "shape": vars(shape), "size": 64, "parts": ["body"], "drawing": "lines"})
    weights.save(tmp_path / "local_gans", {}, {"parts": [], "width": 8, "crop": 16, "enhancement": {}})
    tables.write(tmp_path / "faces.parquet", tables.FACES, {name: [] for name in tables.FACES.names}, {"reason": "back"})
    cv2.imwrite(str(tmp_path / "full.png"), np.full((81, 97, 3), (40, 90, 160), np.uint8)[..., ::-1])
    poses, other, about = read_poses(subject["poses"])
    keep = np.arange(6)
    tables.write(tmp_path / "driving.parquet", tables.POSES,
                 poses[keep].columns() | {name: column[keep] for name, column in other.items()}, {"fps": 8.0})
    return {"driving": tmp_path / "driving.parquet", "generator": tmp_path / "generator",
            "local_gans": tmp_path / "local_gans", "faces": tmp_path / "faces.parquet",
            "full_background": tmp_path / "full.png", "target_clock": subject["clock"],
            "source_frames": subject["frames"], "source_clock": subject["clock"]}


def fuse(learned: dict, folder, config) -> dict:
    outputs = {"foreground": folder / "foreground.mkv", "video": folder / "video.mp4"}
    entry = params.Transfer(target="figure", source="other", preset="demo", truth="other.mp4")
    assert set(learned) == set(layout.INPUTS["fusion"])
    fusion.run(**learned, **outputs, params=config.presets["demo"].fusion.model_copy(update={"device": "cpu"}), entry=entry)
    return outputs


def test_video_has_the_target_s_size_the_source_s_rate_and_says_what_it_is(learned, tmp_path, config):
    outputs = fuse(learned, tmp_path / "out", config)
    with av.open(str(outputs["video"])) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.pix_fmt, stream.codec.name) == (96, 80, "yuv420p", "h264")
        assert float(stream.average_rate) == 8.0
        said = container.metadata
    assert "AI-generated" in said["comment"] and "FakeMotion" in said["comment"]
    assert said["target"] == "figure" and said["source"] == "other"
    assert len(list(video.frames(outputs["foreground"], "rgba"))) == len(list(video.frames(outputs["video"]))) == 6


def test_the_same_inputs_give_the_same_bytes(learned, tmp_path, config):
    first, second = fuse(learned, tmp_path / "a", config), fuse(learned, tmp_path / "b", config)
    for name in first:
        assert first[name].read_bytes() == second[name].read_bytes(), name


@pytest.mark.parametrize("crop", [[10.0, 5.0, 64.0], [10.0, 5.0, 128.0], [-16.0, 8.0, 32.0]])
def test_the_square_is_placed_where_the_crop_says(crop):
    plate = np.zeros((200, 200, 3), np.uint8)
    square = np.zeros((64, 64, 4), np.uint8)
    square[20:40, 30:50] = 255
    found = fusion.Placement(crop, 64, plate.shape).over(square, plate)[..., 0] / 255
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
    found = fusion.Placement([3.0, -4.0, 80.0], 64, plate.shape).over(np.zeros((64, 64, 4), np.uint8), plate)
    assert np.array_equal(found, plate)
