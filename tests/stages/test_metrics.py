"""The metrics stage on made-up artifacts: values against their definitions, and reasons for missing ones."""

import json
import shutil

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from stages import InputError, metrics
from stages.evaluation import metric_names, scoring
from stages.imaging import image_quality
from stages.media import video_file
from tests.stages import toy


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("metrics")
    toy.write_all(folder)
    return folder


def measure(root, entry, key):
    files = toy.paths("metrics", key, entry, root)
    metrics.run(**files, params=toy.METRICS, entry=entry, key=key)
    return json.loads(files["metrics"].read_text()), pq.read_table(files["per_frame"]).to_pydict()


def test_reconstruction(root):
    content, rows = measure(root, toy.RECONSTRUCTION, "ann_from_ann")
    scores = {name: entry["value"] for name, entry in content["metrics"].items()}
    truth = list(video_file.frames(root / "artifacts/ann/frames.mkv"))
    generated = [toy.over(toy.figure(toy.pose(t), (190, 90, 70)), toy.wall()) for t in range(30, 40)]
    assert content["frames"] == 10 and content["kind"] == "reconstruction" and rows["frame"] == list(range(30, 40))
    expected = np.mean([image_quality.psnr(g, truth[30 + i]) for i, g in enumerate(generated)])
    assert scores["psnr"] == pytest.approx(expected)
    assert scores["psnr_person_box"] < scores["psnr"]
    left, top, right, bottom = map(int, rows["box"][4])
    part = np.s_[top:bottom, left:right]
    assert rows["psnr_person_box"][4] == pytest.approx(image_quality.psnr(generated[4][part], truth[34][part]))
    found = rows["retrieval_frame"][4]
    assert found < 25  # of the training part
    expected = image_quality.psnr(truth[found][part], truth[34][part])
    assert rows["retrieval_psnr_person_box"][4] == pytest.approx(expected)
    assert 0 < scores["tcm"] <= 1 and content["pairs"] == 9
    assert content["metrics"]["psnr"]["unit"] == "dB"
    names = list(content["metrics"])
    assert names == [*metric_names.FRAME_SCORES, *metric_names.SET_SCORES] and list(rows) == scoring.PER_FRAME.names
    assert content["headline"] == [*metric_names.HEADLINE_SCORES, *metric_names.WHOLE_FRAME] == names[:12]


def test_the_video_is_scored_as_well(root, tmp_path):
    """A video with darker frames, in the square."""
    files = toy.paths("metrics", "ann_from_ann", toy.RECONSTRUCTION, root)
    generated = [toy.over(toy.figure(toy.pose(t), (190, 90, 70)), toy.wall()) for t in range(30, 40)]
    unlabelled = toy.RECONSTRUCTION.model_copy(update={"label": False, "label_reason": "a test"})
    darker, truth = tmp_path / "unsigned.mp4", list(video_file.frames(files["target_frames"]))[30:]
    with video_file.h264(darker, toy.FPS, 2, {}) as show:
        for picture in generated:
            show(np.pad(picture // 2, ((8, 8), (16, 16), (0, 0))))
    metrics.run(**files | {"unsigned": darker}, params=toy.METRICS, entry=unlabelled, key="ann_from_ann")
    scores = json.loads(files["metrics"].read_text())["metrics"]
    rows = pq.read_table(files["per_frame"]).to_pydict()
    for name in ("psnr", "psnr_person_box", "ssim", "aligned_psnr_person_box"):
        assert scores[f"video_{name}"]["value"] < scores[name]["value"]
    expected = [image_quality.psnr(g // 2, t) for g, t in zip(generated, truth)]
    assert rows["video_psnr"] == pytest.approx(expected, abs=0.3)
    assert rows["video_sharpness"] == pytest.approx(np.array(rows["sharpness"]) / 4, rel=0.45)  # 4:2:0 blurs colour edges


def test_a_video_of_other_frames_is_rejected(root, tmp_path):
    files = toy.paths("metrics", "ann_from_ann", toy.RECONSTRUCTION, root)
    for count, message in ((9, "more frames than the 9 of the video"), (11, "10 frames, fewer than the video")):
        with video_file.h264(tmp_path / f"{count}.mp4", toy.FPS, 18, {}) as show:
            for _ in range(count):
                show(np.zeros((80, 96, 3), np.uint8))
        with pytest.raises(InputError, match=message):
            metrics.run(**files | {"unsigned": tmp_path / f"{count}.mp4"}, params=toy.METRICS, key="ann_from_ann",
                        entry=toy.RECONSTRUCTION)


@pytest.mark.parametrize("entry, key, drawn", [
    (toy.RECONSTRUCTION, "ann_from_ann", {"sharpness", "aligned_psnr_person_box", "tcm", "psnr", "ssim"}),
    (toy.IMITATION, "ann_from_bob", {"tcm"}),
])
def test_scores_and_plots_for_dvc(root, entry, key, drawn):
    content, rows = measure(root, entry, key)
    files = toy.paths("metrics", key, entry, root)
    assert json.loads(files["scores"].read_text()) == {
        name: score["value"] for name, score in content["metrics"].items() if score["value"] is not None}
    assert {path.stem for path in files["plots"].iterdir()} == drawn
    for name in drawn:
        head, *points = (files["plots"] / f"{name}.tsv").read_text().splitlines()
        known = [(frame, value) for frame, value in zip(rows["frame"], rows[name]) if value is not None]
        assert head == f"frame\t{name}" and points == [f"{frame}\t{value}" for frame, value in known]


def test_disabled_scores_have_a_reason(root):
    scores = measure(root, toy.RECONSTRUCTION, "ann_from_ann")[0]["metrics"]
    for name in (*metric_names.LPIPS_SCORES, "fid", "is"):
        assert scores[name]["value"] is None
        assert scores[name]["reason"] == "switched off by presets.demo.metrics.weights"


def test_tcm_of_an_imitation_follows_the_retargeting(tmp_path):
    """The result is the source, moved and scaled as retargeting moved its poses."""
    toy.write_all(tmp_path)
    entry = toy.IMITATION.model_copy(update={"label": False, "label_reason": "a test"})
    files = toy.paths("metrics", "ann_from_bob", entry, tmp_path)
    scale, offset = 0.75, np.array([13.0, 9.0])
    matrix = np.float32([[scale, 0, offset[0] + (scale - 1) / 2], [0, scale, offset[1] + (scale - 1) / 2]])
    place = lambda picture: cv2.warpAffine(picture, matrix, (toy.SIZE,) * 2, borderMode=cv2.BORDER_REPLICATE)
    wall = cv2.GaussianBlur(cv2.resize(toy.wall(), None, fx=2, fy=2), (0, 0), 2)
    with video_file.lossless(files["source_frames"], toy.FPS) as source, video_file.lossless(
            files["foreground"], toy.FPS, "rgba") as result:
        for t in range(toy.FRAMES):
            shown = cv2.add(wall[t % 9 * 2 :, 3 * (t % 4) :][: toy.SIZE, : toy.SIZE], (4 * (t % 2),) * 4)
            source(shown)
            result(np.dstack([place(shown), np.full((toy.SIZE,) * 2, 255, np.uint8)]))
    found = []
    for moved in ((scale, offset), (1.0, (0.0, 0.0))):
        toy.write_driving(files["driving"], toy.poses(), {"fps": toy.FPS}, np.arange(toy.FRAMES), *moved)
        metrics.run(**files, params=toy.METRICS, entry=entry, key="ann_from_bob")
        found.append(json.loads(files["metrics"].read_text())["metrics"]["tcm"]["value"])
    assert found[0] > 0.85 and found[1] < found[0] - 0.2


def test_driving_poses_without_the_retargeting_transform_are_rejected(tmp_path):
    toy.write_all(tmp_path)
    files = toy.paths("metrics", "ann_from_bob", toy.IMITATION, tmp_path)
    toy.write_poses(files["driving"], toy.poses(), {"fps": toy.FPS})
    with pytest.raises(InputError, match="run retargeting again"):
        metrics.run(**files, params=toy.METRICS, entry=toy.IMITATION, key="ann_from_bob")


def test_imitation_without_truth_has_only_scores_that_need_none(root):
    content, rows = measure(root, toy.IMITATION, "ann_from_bob")
    for name in set(metric_names.TRUTH_SCORES) - set(metric_names.LPIPS_SCORES):
        assert content["metrics"][name]["value"] is None and "truth" in content["metrics"][name]["reason"]
    assert 0 < content["metrics"]["tcm"]["value"] <= 1
    assert rows["psnr"] == [None] * toy.FRAMES and rows["retrieval_frame"][3] is not None


@pytest.fixture()
def truth(root, tmp_path):
    """A folder of full frames 96 x 80 of ann with the motion, around the square of toy's timeline."""
    for t, frame in enumerate(video_file.frames(root / "artifacts/ann/frames.mkv")):
        cv2.imwrite(str(tmp_path / f"{t}.png"), np.pad(frame, ((8, 8), (16, 16), (0, 0)))[..., ::-1])
    return tmp_path


def test_imitation_against_a_truth_cut_like_the_target(root, truth):
    """Here ann's own video is the truth, so retrieval of a training frame is exact where the pose is the same."""
    content, rows = measure(root, toy.IMITATION.model_copy(update={"truth": str(truth)}), "ann_from_bob")
    expected = measure(root, toy.RECONSTRUCTION, "ann_from_ann")[1]
    assert rows["psnr"][30:] == pytest.approx(expected["psnr"])
    assert rows["retrieval_psnr"][:25] == pytest.approx([image_quality.MAX_PSNR] * 25)
    assert content["truth"] == str(truth)


def longer(folder):
    """By half a second and a frame."""
    for t in range(40, 53):
        (folder / f"{t}.png").write_bytes((folder / "39.png").read_bytes())


def smaller(folder):
    for file in folder.iterdir():
        cv2.imwrite(str(file), np.zeros((64, 64, 3), np.uint8))


def fractions(folder):
    for file in list(folder.iterdir()):
        cv2.imwrite(str(file.with_suffix(".tiff")), np.full((80, 96, 3), np.nan, np.float32))
        file.unlink()


@pytest.mark.parametrize("spoil, message", [
    (smaller, "frame 0 is 64 x 64; expected a video from the same camera as ann.mp4: 96 x 80"),
    (lambda folder: (folder / "39.png").unlink(), "has 39 frames, but 40 are needed; expected a video of the target"),
    (lambda folder: [(folder / f"{t}.png").unlink() for t in range(1, 40)], "has 1 frames, but 40 are needed"),
    (longer, "goes on for more than 0.5 s after the last of the source's 40 frames; .* cut it"),
    (lambda folder: [file.unlink() for file in folder.iterdir()], "no images in this folder"),
    (lambda folder: (folder / "7.png").write_text("no image"), "7.png: not an image that can be read"),
    (lambda folder: cv2.imwrite(str(folder / "7.png"), np.zeros((40, 48, 3), np.uint8)), "7.png is 48 x 40, 0.png 96"),
    (fractions, "0.tiff: an image of float32; expected 8 or 16 bits a channel"),
])
def test_a_truth_that_does_not_match_is_rejected(root, truth, spoil, message):
    spoil(truth)
    with pytest.raises(InputError, match=message):
        measure(root, toy.IMITATION.model_copy(update={"truth": str(truth)}), "ann_from_bob")


@pytest.mark.parametrize("change, same", [
    (lambda root, truth: (truth / "notes.txt").write_text("no frame"), True),
    (lambda root, truth: (truth / "7.png").write_bytes((truth / "25.png").read_bytes()), False),
    (lambda root, truth: toy.write_poses(root / "artifacts/ann_from_bob/driving.parquet", toy.poses(height=39.0),
                                         {"fps": toy.FPS, "first": 0, "reconstruction": False}), False),
])
def test_the_fingerprint_depends_on_the_content_of_files(tmp_path, root, truth, change, same):
    folder = tmp_path / "copy"
    shutil.copytree(root, folder)
    entry = toy.IMITATION.model_copy(update={"truth": str(truth)})
    before = measure(folder, entry, "ann_from_bob")[0]["against"]
    change(folder, truth)
    assert (measure(folder, entry, "ann_from_bob")[0]["against"] == before) == same


def test_a_truth_may_go_on_a_little(root, truth):
    longer(truth)
    (truth / "52.png").unlink()
    assert measure(root, toy.IMITATION.model_copy(update={"truth": str(truth)}), "ann_from_bob")[0]["frames"] == 40


def test_pixels_that_a_moving_camera_did_not_see_do_not_count(root, tmp_path):
    """The target's camera saw only the left half of the square, so the right half makes no difference."""
    half = np.tile(np.float64([[1, 0, -48], [0, 1, 0], [0, 0, 1]]), (toy.FRAMES, 1, 1))  # the frame ends at x = 48
    files = toy.paths("metrics", "ann_from_ann", toy.RECONSTRUCTION, root)
    view, frames = tmp_path / "view.parquet", tmp_path / "frames.mkv"
    toy.write_view(view, camera=half)
    with video_file.lossless(frames, toy.FPS) as add:
        for t, picture in enumerate(video_file.frames(files["target_frames"])):
            picture = picture.copy()
            picture[:, 32:] = 7 * t % 256
            add(picture)
    files |= {"target_view": view, "source_view": view, "target_frames": frames, "source_frames": frames}
    metrics.run(**files, params=toy.METRICS, entry=toy.RECONSTRUCTION, key="ann_from_ann")
    rows = pq.read_table(files["per_frame"]).to_pydict()
    truth = list(video_file.frames(root / "artifacts/ann/frames.mkv"))
    for i in range(10):
        generated = toy.over(toy.figure(toy.pose(30 + i), (190, 90, 70)), toy.wall())
        assert rows["psnr"][i] == pytest.approx(image_quality.psnr(generated[:, :32], truth[30 + i][:, :32]))
        assert rows["ssim"][i] > 0.8 and 0 < rows["tcm"][0] <= 1
    measure(root, toy.RECONSTRUCTION, "ann_from_ann")


def test_a_truth_of_a_moving_target_is_seen_from_its_reference_frame(root, tmp_path):
    """The frames of the truth show the canvas as the camera of the reference frame sees it, so their square is that of the
    target."""
    view = tmp_path / "view.parquet"
    camera = np.tile(np.float64([[1, 0, 20], [0, 1, 10], [0, 0, 1]]), (toy.FRAMES, 1, 1))
    toy.write_view(view, camera=camera, frame_size=[64, 60])
    wide = tmp_path / "truth"
    wide.mkdir()
    for t, frame in enumerate(video_file.frames(root / "artifacts/ann/frames.mkv")):
        canvas = np.pad(frame, ((8, 8), (16, 16), (0, 0)))
        cv2.imwrite(str(wide / f"{t}.png"), canvas[10:70, 20:84, ::-1])
    files = toy.paths("metrics", "ann_from_bob", toy.IMITATION, root) | {"target_view": view}
    metrics.run(**files, params=toy.METRICS, key="ann_from_bob",
                entry=toy.IMITATION.model_copy(update={"truth": str(wide)}))
    rows = pq.read_table(files["per_frame"]).to_pydict()
    assert rows["retrieval_psnr"][:25] == [image_quality.MAX_PSNR] * 25  # over the pixels that this camera saw


def test_the_same_bytes_twice(root):
    files = toy.paths("metrics", "ann_from_ann", toy.RECONSTRUCTION, root)
    measure(root, toy.RECONSTRUCTION, "ann_from_ann")
    before = files["metrics"].read_bytes(), files["per_frame"].read_bytes()
    measure(root, toy.RECONSTRUCTION, "ann_from_ann")
    assert before == (files["metrics"].read_bytes(), files["per_frame"].read_bytes())


def test_a_foreground_of_another_length_is_rejected(root, tmp_path):
    files = toy.paths("metrics", "ann_from_ann", toy.RECONSTRUCTION, root)
    short = tmp_path / "foreground.mkv"
    with video_file.lossless(short, toy.FPS, "rgba") as add:
        add(toy.figure(toy.pose(30)))
    with pytest.raises(InputError, match="run fusion again"):
        metrics.run(**files | {"foreground": short}, params=toy.METRICS,
                    entry=toy.RECONSTRUCTION, key="ann_from_ann")
