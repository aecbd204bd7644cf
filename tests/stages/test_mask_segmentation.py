"""Masks compared with the rendered alpha."""

import av
import cv2
import numpy as np
import pytest

from stages import InputError, mask_segmentation
from stages.media import parquet, video_file
from stages.pose.skeleton import Pose
from stages.tracking.boxes import Person
from tests.boundaries import boundary_f
from tests.stages import toy


def soft(alpha):
    """A network's mask of it: blurred, shifted by half a pixel, without fingers."""
    thick = cv2.morphologyEx(alpha, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5)))
    return cv2.GaussianBlur(cv2.warpAffine(thick, np.float32([[1, 0, 0.5], [0, 1, -0.5]]), thick.shape), (0, 0), 1.5)


def cameras(count: int, shift: float = 0.0) -> np.ndarray:
    """Homographies of a camera whose view is shifted to the right by `shift` pixels."""
    return np.tile([1, 0, shift, 0, 1, 0, 0, 0, 1.0], (count, 1))


@pytest.fixture
def segment(tmp_path, lossless, config):
    def segment(pictures, pose: Pose, silhouettes=None, box=None, camera=None, **changes):
        """Masks (T, S, S) uint8; `silhouettes`: those of the pose estimator, if it has any."""
        count, size = len(pose), len(pictures[0])
        known = {"frame": np.arange(count), "people": [1] * count}
        parquet.write(tmp_path / "poses.parquet", parquet.POSES, pose.columns() | known | {
            "detected": [True] * count, "interpolated": [False] * count},
            {"silhouettes": "mediapipe" if silhouettes is not None else None})
        parquet.write(tmp_path / "view.parquet", parquet.VIEW, known | {
            "box": np.full((count, 4), np.nan) if box is None else np.tile(box, (count, 1)),
            "camera": cameras(count) if camera is None else camera, "light": np.tile([1, 1, 1, 0, 0, 0], (count, 1))},
            {"moving": camera is not None, "reference": 0, "frame_size": [size, size]})
        toy.write_timeline(tmp_path / "frames.parquet", count, False, crop=[0, 0, size], size=size, full_size=[size, size])
        outlines = silhouettes if silhouettes is not None else np.zeros((count, size, size), np.uint8)
        mask_segmentation.run(
            frames=lossless("frames.mkv", pictures), timeline=tmp_path / "frames.parquet",
            view=tmp_path / "view.parquet", poses=tmp_path / "poses.parquet",
            silhouettes=lossless("silhouettes.mkv", outlines, "gray"), masks=tmp_path / "masks.mkv",
            params=config.presets["demo"].mask_segmentation.model_copy(update=changes))
        return np.stack(list(video_file.frames(tmp_path / "masks.mkv", "gray")))
    return segment


@pytest.fixture
def no_network(monkeypatch):
    """Fails if the network is used."""
    monkeypatch.setattr(mask_segmentation, "segmenter", lambda params: pytest.fail("silhouettes suffice"))


def overlap(masks, alpha):
    a, b = masks > 127, alpha > 127
    return (a & b).sum((1, 2)) / (a | b).sum((1, 2))


def test_masks_against_the_plate_are_accurate(stranger, segment, no_network):
    silhouettes = np.stack([soft(alpha) for alpha in stranger.alpha])
    first, masks = (segment(stranger.pictures, stranger.pose, silhouettes, against_plate=on) for on in (False, True))
    better, before = overlap(masks, stranger.alpha), overlap(first, stranger.alpha)
    assert better.mean() > 0.975 and better.mean() > before.mean() + 0.01
    edges = [boundary_f(mask > 127, alpha > 127, 2) for mask, alpha in zip(masks, stranger.alpha)]
    assert np.mean(edges) > 0.99
    assert np.abs(masks / 255.0 - stranger.alpha / 255.0).mean() < 0.004
    rows = np.nonzero(stranger.alpha.max(0) > 127)[0].max()
    assert masks[:, min(rows + 6, 255) :].max() == 0  # the floor before the feet


def test_without_silhouettes_the_network_is_prompted_by_the_pose_or_the_view(stranger, segment):
    masks = segment(stranger.pictures[::3], stranger.pose[::3], against_plate=False)
    assert overlap(masks, stranger.alpha[::3]).mean() > 0.94
    unknown = Pose.unknown(2)
    y, x = np.nonzero(stranger.alpha[0] > 127)
    box = [x.min() - 6, y.min() - 6, x.max() + 6, y.max() + 6]
    pictures = [stranger.pictures[0], stranger.plate]
    found = segment(pictures, unknown, box=box, against_plate=False)
    assert overlap(found[:1], stranger.alpha[:1]) > 0.9 and not found[1].any()
    assert not segment(pictures, unknown).any()  # nobody is there


def test_frames_without_a_silhouette_are_segmented(stranger, segment, monkeypatch):
    asked = []

    class Network:
        def masks(self, pictures, people):
            asked.extend(people)
            return [stranger.alpha[1] / np.float32(255) if person else None for person in people]

    monkeypatch.setattr(mask_segmentation, "segmenter", lambda params: Network())
    silhouettes = stranger.alpha[:4].copy()
    silhouettes[1] = 0
    masks = segment(stranger.pictures[:4], stranger.pose[:4], silhouettes, against_plate=False, batch=3)
    assert overlap(masks, stranger.alpha[:4]).min() > 0.95
    assert [bool(person) for person in asked] == [False, True, False]
    assert isinstance(asked[1], Person)


def test_masks_are_empty_outside_the_view_of_a_moving_camera(stranger, segment, no_network):
    middle = int(np.nonzero(stranger.alpha[0] > 127)[1].mean())
    masks = segment(stranger.pictures[:4], stranger.pose[:4], stranger.alpha[:4], camera=cameras(4, middle))
    assert not masks[:, :, : middle - 1].any()
    assert overlap(masks[:, :, middle + 1 :], stranger.alpha[:4, :, middle + 1 :]).mean() > 0.95


def test_frames_poses_and_silhouettes_must_be_of_one_video(stranger, segment):
    for silhouettes in (None, stranger.alpha[:2]):
        with pytest.raises(InputError, match="run pose_extraction again"):
            segment(stranger.pictures[:3], stranger.pose[:2], silhouettes)


def test_the_metadata_name_the_estimator(segment, stranger, tmp_path):
    segment(stranger.pictures[:2], Pose.unknown(2), [soft(alpha) for alpha in stranger.alpha[:2]])
    with av.open(str(tmp_path / "masks.mkv")) as container:
        said = {name.lower(): value for name, value in container.metadata.items()}
    assert (said["estimator"], said["model"]) == ("mediapipe", "full")
