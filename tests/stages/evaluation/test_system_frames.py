"""Other systems' frames: our own frames in any form have our own scores; frames that do not match are rejected."""

import json

import av
import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from stages import InputError, layout, metrics
from stages.evaluation import metric_names, system_frames
from stages.imaging import compositing
from stages.media import png, video_file
from tests.stages import toy

KEY = "ann_from_ann"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """The transfer, with its own scores."""
    folder = tmp_path_factory.mktemp("systems")
    toy.write_all(folder)
    files = toy.paths("metrics", KEY, toy.RECONSTRUCTION, folder)
    metrics.run(**files, params=toy.METRICS, entry=toy.RECONSTRUCTION, key=KEY)
    return folder


@pytest.fixture(scope="module")
def own(root) -> list[np.ndarray]:
    """The transfer's own ten frames, S x S."""
    files = toy.paths("metrics", KEY, toy.RECONSTRUCTION, root)
    plate = png.read(files["background"])
    return [compositing.compose(rgba, plate) for rgba in video_file.frames(files["foreground"], "rgba")]


def scores(root, frames, folder):
    files = toy.paths("metrics", KEY, toy.RECONSTRUCTION, root)
    read = set(layout.INPUTS["metrics"]) - {"foreground", "unsigned", "background"}
    measured = {name: path for name, path in files.items() if name in read}
    found = {"metrics": folder / "found.json", "per_frame": folder / "found.parquet"}
    system_frames.run(frames, measured, **found, params=toy.METRICS, entry=toy.RECONSTRUCTION, key=KEY, code="1")
    return json.loads(found["metrics"].read_text()), pq.read_table(found["per_frame"])


def images(folder, frames):
    """Named without leading zeros: 9 before 10 only in natural order."""
    folder.mkdir()
    for t, frame in enumerate(frames):
        name = f"frame_{t + 1}.{'png' if frame.dtype == np.uint8 else 'tiff'}"
        assert cv2.imwrite(str(folder / name), frame[..., ::-1])
    return folder


def film(path, frames):
    with video_file.lossless(path, toy.FPS) as add:
        for frame in frames:
            add(frame)
    return path


@pytest.mark.parametrize("form", ["squares", "full frames", "video"])
def test_our_own_frames_have_our_own_scores(root, own, tmp_path, form):
    full = [np.pad(frame, ((8, 8), (16, 16), (0, 0)), constant_values=9) for frame in own]  # toy's crop of 96 x 80
    frames = film(tmp_path / "own.mkv", own) if form == "video" else images(
        tmp_path / "frames", full if form == "full frames" else own)
    files = toy.paths("metrics", KEY, toy.RECONSTRUCTION, root)
    content, per_frame = scores(root, frames, tmp_path)
    ours = json.loads(files["metrics"].read_text()) | {"code": "1"}
    videos = [*metric_names.VIDEO_SCORES, metric_names.DELIVERY_LPIPS]
    for name in videos:  # which other systems do not have
        assert content["metrics"].pop(name)["value"] is None and ours["metrics"].pop(name)
    assert content == ours
    assert per_frame.drop_columns(videos).equals(pq.read_table(files["per_frame"]).drop_columns(videos))


def test_every_frame_of_a_video_counts_whatever_its_time_stamp(own, tmp_path, root):
    """Of a video with uneven time stamps, reading by time would repeat some frames and skip others."""
    path = tmp_path / "uneven.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25, width=toy.SIZE, height=toy.SIZE, pix_fmt="bgr0")
        for t, frame in enumerate(own):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format="bgr0")
            picture.pts = t * t
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    assert scores(root, path, tmp_path)[0]["frames"] == 10


@pytest.mark.parametrize("spoil, message", [
    (lambda frames: frames[:-1], "frames: 9 frames; expected 10, one for each driving pose: give one for each frame"),
    (lambda frames: [*frames, frames[0]], "frames: 11 frames; expected 10"),
    (lambda frames: [], "no images in this folder"),
    (lambda frames: [cv2.resize(frame, (48, 48)) for frame in frames],
     "frame 0 is 48 x 48; expected 64 x 64, the target's square, or 96 x 80, its full frame"),
    (lambda frames: [*frames[:3], frames[3][:60], *frames[4:]], "all images of a folder must have the same size"),
    (lambda frames: [np.float32(frame) * np.nan for frame in frames],
     "frame_1.tiff: an image of float32; expected 8 or 16 bits a channel"),
])
def test_frames_that_do_not_match_are_rejected(root, own, tmp_path, spoil, message):
    with pytest.raises(InputError, match=message):
        scores(root, images(tmp_path / "frames", spoil(own)), tmp_path)
    assert not (tmp_path / "found.json").exists()


@pytest.mark.parametrize("names, message", [
    ([f"{t}.png" for t in (0, 1, 2, 3, 5, 6, 7, 8, 9, 10)], "5.png: comes next to 3.png, .* is missing or duplicated"),
    ([f"frame_{t:04}_fake.png" for t in (0, 5, 10, 15, 20, 25, 26, 30, 35, 40)], "0026_fake.png: .* rise by 5"),
    (["2.png", "3.jpg", *(f"{t}.png" for t in range(3, 11))], "3.png: comes next to 3.jpg"),
    ([f"{t}.png" for t in range(30, 50, 2)], None),
    ([f"clip{t // 4}_{t % 4}.png" for t in range(10)], None),  # in their natural order
    (list("abcdefghij"), None),
])
def test_a_folder_with_a_gap_in_its_numbers_is_rejected(tmp_path, names, message):
    files = [tmp_path / name for name in names]
    if message is None:
        system_frames.check_numbering(files)
    else:
        with pytest.raises(InputError, match=message):
            system_frames.check_numbering(files)


@pytest.mark.parametrize("spoil", [
    lambda frames: [frames[3]] * 10,
    lambda frames: [np.zeros_like(frames[0])] * 10,
    lambda frames: [np.full_like(frame, 25 * t) for t, frame in enumerate(frames)],
    lambda frames: [frame[..., :1].repeat(3, 2) for frame in frames],
])
def test_frames_that_show_little_have_finite_scores_or_a_reason(root, own, tmp_path, spoil):
    """Strict JSON knows no NaN."""
    scores(root, images(tmp_path / "frames", spoil(own)), tmp_path)
    found = json.loads((tmp_path / "found.json").read_text(), parse_constant=pytest.fail)["metrics"]
    assert all((score["value"] is None) == bool(score["reason"]) for score in found.values())
    assert found["psnr"]["value"] < 30 and found["tcm"]["value"] < 0.9


def test_files_that_are_no_video_are_rejected(root, tmp_path):
    (tmp_path / "notes.mp4").write_text("no video")
    for name, message in (("notes.mp4", "not a video"), ("none", "no such file or folder")):
        with pytest.raises(InputError, match=message):
            scores(root, tmp_path / name, tmp_path)
