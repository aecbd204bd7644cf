"""Frames of the final video, mapped back to the target's square."""

import cv2
import numpy as np
import pytest

from stages.evaluation.delivered_video import delivered_frames
from stages.fusion import Placement, placements
from stages.imaging import compositing, image_quality
from stages.media import video_file, view
from stages.provenance.label import Label
from tests.stages import toy

LABELLED = toy.RECONSTRUCTION
BARE = LABELLED.model_copy(update={"label": False, "label_reason": "a test"})
TURNED = cv2.getRotationMatrix2D((48, 40), 3, 1.02)


def cameras(moving):
    """Cameras that stand still, or that differ in each frame."""
    if not moving:
        return None
    return np.stack([np.vstack([TURNED + [[0, 0, t / 5], [0, 0, -t / 7]], [0, 0, 1]]) for t in range(toy.FRAMES)])


def full_plate():
    return cv2.resize(toy.wall(), (96, 80), interpolation=cv2.INTER_CUBIC)


def fused(path, entry, view_path):
    """Writes a video like fusion: the figure over the plate, placed according to the camera."""
    p, rows = toy.poses(), np.arange(30, 40)
    place = placements(Placement.from_crop([16, 8, 64], toy.SIZE, full_plate()), view.read_view(view_path),
                       rows if entry.reconstruction else None)
    with video_file.h264(path, toy.FPS, 4, {}) as show:
        for t, row in enumerate(rows):
            picture = place(t).composite(toy.figure(p[row]))
            show(Label(picture.shape[1::-1]).apply(picture) if entry.label else picture)
    return [compositing.compose(toy.figure(p[row]), full_plate()[8:72, 16:80]) for row in rows]


@pytest.mark.parametrize("moving", [False, True])
@pytest.mark.parametrize("entry", [LABELLED, BARE, toy.IMITATION], ids=["labelled", "bare", "imitation"])
def test_a_fused_video_comes_back_into_the_square(tmp_path, entry, moving):
    toy.write_timeline(tmp_path / "timeline.parquet")
    toy.write_view(tmp_path / "view.parquet", camera=cameras(moving))
    generated = fused(tmp_path / "unsigned.mp4", entry, tmp_path / "view.parquet")
    found = list(delivered_frames(tmp_path / "unsigned.mp4", np.arange(30, 40), tmp_path / "timeline.parquet",
                                  tmp_path / "view.parquet", entry))
    assert len(found) == 10
    inside = np.s_[4:-4, 4:-4]  # a moving camera did not see all of the edge
    for one, picture in zip(found, generated):
        assert image_quality.psnr(one.without_label(picture)[inside], picture[inside]) > 26
        assert (one.label_mask is not None) == entry.label
        if entry.label:
            assert one.label_mask[40:, :20].mean() > 0.2 and not one.label_mask[:30].any()  # in the lower left corner
            assert np.array_equal(one.without_label(picture)[one.label_mask], picture[one.label_mask])
            assert image_quality.psnr(one.picture[one.label_mask], picture[one.label_mask]) < 20


def test_a_larger_video_is_compared_at_the_squares_size(tmp_path):
    """Its frame is three times as large as the square's pixels are."""
    toy.write_timeline(tmp_path / "timeline.parquet", crop=[48, 24, 192])
    toy.write_view(tmp_path / "view.parquet", frame_size=[288, 240])
    picture = np.pad(np.kron(toy.wall(), np.ones((3, 3, 1), np.uint8)), ((24, 24), (48, 48), (0, 0)))
    with video_file.h264(tmp_path / "unsigned.mp4", toy.FPS, 4, {}) as show:
        show(picture)
    files = (tmp_path / name for name in ("timeline.parquet", "view.parquet"))
    one, = delivered_frames(tmp_path / "unsigned.mp4", np.arange(1), *files, BARE)
    assert one.picture.shape == (64, 64, 3) and image_quality.psnr(one.picture, toy.wall()) > 35
