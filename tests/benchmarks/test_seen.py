"""The table of real clips, for a toy person with a known reconstruction, other system and watermark."""

from dataclasses import replace
from itertools import islice

import cv2
import numpy as np
import pytest
import torch

from stages import layout
from stages.media import video_file
from stages.provenance.label import Label
from tests.benchmarks import films, held_out, seen
from tests.stages import toy

COUNT, CRF = 4, 18
COLUMNS = list(seen.COLUMNS)
OTHERS = "panel 2, shown 1 frame early"


def distance(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """In place of LPIPS, whose network needs weights."""
    return (first - second).abs().mean()


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> seen.Clip:
    """Held-out frames of 96 x 80, reconstructed with a wrong colour; frames of another system, which are the truth, one
    frame early."""
    folder = tmp_path_factory.mktemp("seen")
    toy.write_person(folder / layout.ROOT, "ann", 40.0, (200, 80, 60))
    toy.write_transfer(folder / layout.ROOT, held_out.reconstruction_key("ann"), toy.RECONSTRUCTION)
    plate = np.pad(toy.wall(), ((8, 8), (16, 16), (0, 0)))
    cv2.imwrite(str(folder / layout.outputs("background_inpainting", "ann")["full_background"]), plate[..., ::-1])
    poses, file = toy.poses(), folder / "ann.mkv"
    with video_file.lossless(file, toy.FPS) as add:
        for t in range(toy.FRAMES):
            add(np.pad(toy.over(toy.figure(poses[t]), toy.wall()), ((8, 8), (16, 16), (0, 0))))
    return seen.Clip(folder, "ann", file, {"panel 2": lambda: islice(video_file.frames(file), 1, None)}, COUNT)


@pytest.fixture(scope="module")
def measured(clip):
    return seen.measure(clip, CRF, distance)


def test_every_row_has_the_same_frames(clip, measured):
    found, marks = measured
    assert list(found) == [OTHERS, seen.BEFORE, seen.AFTER, seen.TRUTH, seen.MARKED]
    assert set(marks) == set(seen.REGIONS)
    pose = list(clip.poses())[clip.scored[COUNT // 2]]
    parts = seen.regions(pose, (96, 80), clip.place(0).matrix, clip.square_side)
    box = parts["box"]
    assert parts["square"] == np.s_[8:72, 16:80]  # toy's crop
    assert cv2.imread(str(clip.sheet)).shape[:2] == (box[0].stop - box[0].start, 6 * (box[1].stop - box[1].start))
    assert all(values.shape == (COUNT, len(seen.COLUMNS)) for values in found.values())
    assert list(clip.rows) == list(range(30, 40)) and list(clip.scored) == [0, 3, 6, 9]
    shown = seen.table(clip, found).splitlines()
    assert shown[0].startswith("| ann, 4 of 10 held-out frames | sharpness | box: PSNR |") and len(shown) == 2 + len(found)


def test_the_truth_is_best_and_the_watermark_changes_little(measured):
    found, marks = measured
    column = {name: {row: values[:, i].mean() for row, values in found.items()} for i, name in enumerate(seen.COLUMNS)}
    for place in seen.REGIONS:
        psnr, far = column[f"{place}: PSNR"], column[f"{place}: LPIPS"]
        assert psnr[OTHERS] == 100 > psnr[seen.TRUTH] > psnr[seen.BEFORE]
        assert psnr[seen.TRUTH] > psnr[seen.MARKED] and far[OTHERS] == 0 < far[seen.TRUTH]
        assert far[seen.MARKED] == pytest.approx(far[seen.TRUTH], abs=0.005)
        assert 0 < marks[place]
    assert column["whole: PSNR"][seen.BEFORE] > column["box: PSNR"][seen.BEFORE]  # a wall is easy
    assert column["sharpness"][OTHERS] == 1


def test_the_figures_are_the_lpips_that_the_watermark_adds(measured):
    found, marks = measured
    rows = {figure.what: figure for figure in seen.figures("ann", found, marks)}
    own = rows["ann, box: LPIPS of ours, marked less unmarked"]
    assert own.reached == pytest.approx(abs(np.subtract(*(found[row][:, COLUMNS.index("box: LPIPS")].mean() for row in (seen.AFTER, seen.BEFORE)))))
    assert rows["ann, whole: LPIPS of true frames, marked to unmarked"].reached == marks["whole"]
    none = seen.figures("ann", found | {seen.AFTER: found[seen.BEFORE]}, dict.fromkeys(seen.REGIONS, 0.0))
    assert all(figure.met for figure in none) and not all(figure.met for figure in rows.values())


def test_composites_are_those_of_fusion(clip):
    """The same as those of toy.write_transfer."""
    plate, poses = toy.wall(), toy.poses()
    for row, picture in zip(clip.rows, clip.composites(), strict=True):
        expected = np.pad(toy.over(toy.figure(poses[row], (190, 90, 70)), plate), ((8, 8), (16, 16), (0, 0)))
        assert np.abs(picture.astype(int) - expected).mean() < 0.5


def test_poses_match_the_person_in_the_video(clip):
    """The square begins 16 pixels from the left and 8 from the top of the frame."""
    for row, pose in zip(clip.rows, clip.poses(), strict=True):
        np.testing.assert_allclose(pose.body, toy.pose(row).body + [16, 8, 0], atol=1e-4)
        box = seen.regions(pose, (96, 80), clip.place(0).matrix, clip.square_side)["box"]
        shown = np.pad(toy.figure(toy.pose(row))[..., 3], ((8, 8), (16, 16)))
        assert shown[box].sum() == shown.sum() and box[0].stop <= 80


def test_the_label_is_not_scored(clip):
    area = Label((96, 80)).area > 0
    spoiled = [np.where(area[..., None], 255, picture) for picture in video_file.frames(clip.file)]
    found, _ = seen.measure(replace(clip, films={"spoiled": lambda: spoiled}), CRF, distance)
    assert 0.01 < area.mean() < 0.5 and (found["spoiled"][:, COLUMNS.index("whole: PSNR")] == 100).all()


@pytest.mark.parametrize("late", [-2, -1, 0, 1, 3])
def test_the_delay_of_other_systems_is_found_and_removed(clip, late):
    frames = list(video_file.frames(clip.file))
    film = frames[-late:] if late < 0 else [frames[0]] * late + frames
    assert films.frame_lag(clip.file, film) == late
    mended = list(films.shift_frames(film, late))
    assert all(np.array_equal(one, other) for one, other in zip(mended[5:35], frames[5:35]))


def test_panels_side_by_side_are_split(tmp_path):
    panels = np.random.default_rng(0).integers(0, 256, (3, 4, 16, 16, 3), np.uint8)  # (panels, frames, ...)
    with video_file.lossless(tmp_path / "three.mkv", 10.0) as add:
        for t in range(4):
            add(np.concatenate(panels[:, t], 1))
    for index in range(3):
        assert np.array_equal(list(films.panel(tmp_path / "three.mkv", index, 3)), panels[index])
    first = films.first_panel(tmp_path / "work", tmp_path / "three.mkv", 3)
    assert np.array_equal(list(video_file.frames(first)), panels[0])


@pytest.mark.parametrize("arguments, message", [
    (["--clips", "none.mp4"], "no such file"), ([], "expected --clips or --panels"),
    (["--clips", "a.mp4"], "give --reuse to go on with it"), (["--panels", "a.mp4", "1"], "how many panels"),
])
def test_invalid_arguments_are_rejected_at_once(tmp_path, monkeypatch, capsys, arguments, message):
    if "a.mp4" in arguments and "--clips" in arguments:
        (tmp_path / layout.ROOT).mkdir()
    monkeypatch.setattr("sys.argv", ["seen", str(tmp_path), *arguments])
    with pytest.raises(SystemExit):
        seen.main()
    assert message in capsys.readouterr().err
