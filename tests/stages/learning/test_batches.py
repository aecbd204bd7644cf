"""A step's batch depends on seed and step only, not on how it is divided, and crops cut nothing off the person."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from stages import InputError
from stages.learning.augmentation import SimilarityAugment
from stages.learning.batches import Batches, flattened
from stages.learning.clip_sampler import Clip
from stages.learning.crops import Crops, pose_boxes, steady_crop_sizes
from stages.learning.frame_store import FrameStore
from stages.media import video_file
from stages.media.pose_table import read_poses
from stages.nets.discriminators import background_change
from stages.pose.skeleton import Pose
from tests.conftest import small

CPU = torch.device("cpu")
DEMO = {"clips": 2, "clip_length": 4, "single_frames": 6, "patch_size": 2, "num_downsamples": 2,
        "crop": True, "augment": 0.1, "rotate": 0.1, "resample": 0.5, "adversarial_interval": 1,
        "pose_noise": 0.01}


@pytest.fixture(scope="module")
def data(subject):
    poses, _, _ = read_poses(subject["poses"])
    return FrameStore(*three(subject), poses[:17], 17)


def three(subject: dict) -> list:
    return [subject[name] for name in ("frames", "masks", "background")]


@pytest.fixture
def batches(data, config):
    return lambda store=data, **changes: Batches(
        store, small(config.presets["demo"].generator_training, **DEMO | changes), CPU)


def test_drawn_from_seed_and_step(batches):
    first, again = batches(seed=3).at_step(5), batches(seed=3).at_step(5)
    assert torch.equal(first.pose_maps, again.pose_maps) and torch.equal(first.real, again.real)
    for other in (batches(seed=3).at_step(6), batches(seed=4).at_step(5)):
        assert other.real.shape != first.real.shape or not torch.equal(other.real, first.real)


@pytest.mark.parametrize("changes", [
    *({"pose_maps": pose_maps, "crop": crop} for pose_maps in ("skeleton", "limbs") for crop in (True, False)),
    {"max_cells": 16, "window_size": 32, "coarse_share": 0.2, "steps": 10}])
def test_micro_batches_are_the_undivided_batch(batches, changes):
    data = batches(**changes)
    for step in range(3):
        undivided, parts = data.at_step(step), [data.at_step(step, part, 2) for part in range(2)]
        assert (undivided.num_clips, undivided.clip_length, len(undivided.real)) == (2, 4, 14)
        for name in ("pose_maps", "skeletons", "real"):
            mine, theirs = getattr(undivided, name), [getattr(part, name) for part in parts]
            clips = torch.cat([part[:4] for part in theirs])
            single_frames = torch.stack([part[4:] for part in theirs], 1).flatten(0, 1)  # distributed in turn
            assert torch.equal(torch.cat([clips, single_frames]), mine), name


def test_noise_moves_the_pose_maps_and_nothing_else(batches):
    plain, noise, other = (batches(pose_noise=share, seed=seed).at_step(3) for share, seed in ((0.0, 1), (0.02, 1), (0.02, 1)))
    assert not torch.equal(plain.pose_maps, noise.pose_maps) and torch.equal(noise.pose_maps, other.pose_maps)
    for name in ("charts", "real", "skeletons"):
        assert torch.equal(getattr(plain, name), getattr(noise, name)), name
    frames = np.arange(4)
    assert torch.equal(*(batches(pose_noise=share).without_augmentation(frames).pose_maps for share in (0.0, 0.02)))


WINDOWED = {"architecture": "limb_atlas", "max_cells": 16, "window_size": 32, "coarse_share": 0.5, "steps": 10}


@pytest.mark.parametrize("step, reduction", [(0, 2), (4, 2), (5, 1), (9, 1)])
def test_a_step_generates_reduced_frames_at_first_and_windows_of_them_later(batches, step, reduction):
    """S is 64: patches of 4 pixels, windows of 32 or frames reduced to 32."""
    data, whole = batches(**WINDOWED), batches(**WINDOWED | {"window_size": None})
    assert data.params.patch_size == whole.params.patch_size == 4
    batch, full = data.at_step(step), whole.at_step(step)
    assert batch.reduction == reduction and torch.equal(batch.pose_maps, full.pose_maps) and torch.equal(batch.charts, full.charts)
    for name in ("real", "backgrounds"):
        found, frames = getattr(batch, name), getattr(full, name)
        if reduction > 1:
            assert batch.windows is None and torch.equal(found, F.avg_pool2d(frames, 2))
        else:
            assert max(found.shape[-2:]) == 32 and torch.equal(found, batch.windows.cut(frames, 4))
            assert len(np.unique(batch.windows.corners, axis=0)) > 4  # of 8 clips and single frames
    if reduction == 1:
        assert torch.equal(batch.skeletons, batch.windows.cut(full.skeletons))


@pytest.mark.parametrize("changes", [{"clips": 1}, {"single_frames": 3}])
def test_a_batch_that_cannot_be_divided_is_rejected(batches, changes):
    with pytest.raises(InputError, match="cannot be divided by 2"):
        batches(**changes).at_step(0, 0, 2)


def test_a_cropped_batch_is_a_crop_of_the_full_frames(batches):
    """With the same frames and augmentation. The figure is inside its crop, unless it leaves the frame."""
    data = batches()
    for step in range(5):
        clips, sides = data.sampler.draw_clips(np.random.default_rng(step), [4, 4, 1, 1, 1])
        crops = data.crops(clips, sides)
        cut, square = (data.load(clips, shown, 2) for shown in (crops, Crops.full_frame(len(clips), 64)))
        assert cut.real.shape[-1] % 8 == cut.real.shape[-2] % 8 == 0 and square.real.shape[-2:] == (64, 64)
        assert cut.real.shape[:1:-1] == tuple(sides) and cut.real.shape[-1] < 64
        _, each, _ = flattened(clips)
        for mine, whole, (left, top, right, bottom) in zip(cut.real, square.real, np.array(crops.boxes())[each]):
            assert torch.allclose(mine, whole[:, top:bottom, left:right], atol=1e-4)
            assert mine.sum() == pytest.approx(whole.sum().item(), rel=1e-5)


def test_a_frame_has_the_same_crop_in_training_and_inference(batches, data):
    """So the person fills the same share of it, on which the networks' normalisation depends."""
    data = batches(augment=0.0, resample=0.0)
    p, used = data.params, []
    boxes = pose_boxes(data.data.poses, p.crop_margin)
    for frame, sides in enumerate(steady_crop_sizes(boxes, data.data.take, 64, data.sampler.grid, p.patch_size)):
        used += Crops.centred_on(boxes[frame : frame + 1], 64, p.patch_size, sides).boxes()
    learned = {}
    for step in range(200):
        clips, sides = data.sampler.draw_clips(np.random.default_rng(step), [1])
        learned[clips[0].frames[0]] = data.crops(clips, sides).boxes()[0]
    assert [learned[frame] for frame in range(17)] == used


def test_skeleton_and_foreground_coincide(batches, data):
    """The figure covers its limbs, for any crop and augmentation."""
    shifted = batches(augment=0.2, rotate=0.5, resample=1.0, parts=("body",)).at_step(1)
    for batch in (shifted, batches(parts=("body",)).without_augmentation(np.arange(0, 17, 4))):
        alpha = torch.nn.functional.avg_pool2d(batch.real[:, 3], 2)
        drawn = batch.skeletons.amax(1)
        assert (alpha[drawn > 0.5] > 0.1).float().mean() > 0.97
        assert (drawn > 0.5).any((1, 2)).all()


def test_foreground_over_background_is_the_filmed_frame(subject, batches):
    """As the discriminators see it. Augmentation moves the person, not the background."""
    pictures, chosen = video_file.pick(subject["frames"], [2, 9]), np.array([2, 9])
    data = batches()
    clips = [Clip(frame[None], SimilarityAugment()) for frame in chosen]
    crops = data.crops(clips, data.sampler.frame_crop_sizes[chosen].max(0))
    batch = data.without_augmentation(chosen)
    seen = 255 * (batch.backgrounds + background_change(batch.real, batch.backgrounds)).permute(0, 2, 3, 1).numpy()
    for found, frame, (left, top, right, bottom) in zip(seen, chosen, crops.boxes()):
        assert np.abs(found - pictures[frame][top:bottom, left:right]).max() < 0.51
    shifted = batches(crop=False).at_step(0)
    empty = (shifted.real[:, 3:] == 0).expand(-1, 3, -1, -1)
    assert not background_change(shifted.real, shifted.backgrounds)[empty].any()
    assert torch.equal(shifted.backgrounds, data.data.background.expand_as(shifted.backgrounds))


def test_clips_are_consecutive_frames_and_have_frame_windows(batches, data):
    batch = batches(augment=0.0, resample=0.0, crop=False).at_step(2)
    frames = data.foregrounds(np.arange(17))

    def frame(picture):
        return (frames - picture).abs().sum((1, 2, 3)).argmin().item()

    found = [frame(picture) for picture in batch.real]
    assert found[:8] == [*range(found[0], found[0] + 4), *range(found[4], found[4] + 4)]
    for length, count in ((2, 3), (3, 2)):
        windows = batch.frame_windows(batch.real, length)
        assert windows.shape == (2 * count, length, 4, 64, 64)
        expected = {tuple(found[i : i + length]) for clip in (0, 4) for i in range(clip, clip + count)}
        assert {tuple(map(frame, window)) for window in windows} == expected


def test_steps_without_discriminators_have_single_frames_only(batches):
    data = batches(adversarial_interval=3)
    found = [(batch.num_clips, len(batch.real)) for batch in map(data.at_step, range(4))]
    assert found == [(2, 14), (0, 14), (0, 14), (2, 14)]


def test_every_frame_is_used_equally_and_all_crops_of_a_batch_have_one_size(subject, batches):
    """No crop is enlarged for another frame that needs a larger one, and frames with large crops are not used less."""
    poses, _, _ = read_poses(subject["poses"])
    apart = FrameStore(*three(subject), poses[:17], 17, take=np.arange(17))  # crop sizes change often
    data, seen = batches(apart, augment=0.0, resample=0.0, crop_margin=0.05), np.zeros(17)
    assert len({tuple(side) for side in data.sampler.clip_crop_sizes(1).tolist()}) > 1
    for step in range(400):
        clips, sides = data.sampler.draw_clips(np.random.default_rng(step), [1] * 6)
        frames = np.concatenate([take.frames for take in clips])
        assert (data.sampler.clip_crop_sizes(1)[frames] == sides).all()
        crops = data.crops(clips, sides)
        assert [crops.width, crops.height] == sides.tolist()
        np.add.at(seen, frames, 1)
    assert seen.min() > 0.6 * seen.mean() and seen.max() < 1.4 * seen.mean()


def test_frames_with_unknown_poses_are_cropped_at_the_centre(subject, batches):
    nobody = FrameStore(*three(subject), Pose.unknown(17), 17)
    batch = batches(nobody, augment=0.0, resample=0.0).at_step(0)
    assert batch.pose_maps.abs().sum() == 0 and batch.real[:, 3].amax((1, 2)).min() == 1  # the masks are known


@pytest.mark.parametrize("crop", [True, False])
def test_no_clip_crosses_the_border_of_a_take(data, subject, batches, crop):
    take = np.repeat([0, 1, 2], [7, 4, 6])
    poses, _, _ = read_poses(subject["poses"])
    apart = FrameStore(*three(subject), poses[:17], 17, take=take)
    firsts, others = set(), set()
    for step in range(60):
        drawn, _ = batches(apart, crop=crop).sampler.draw_clips(np.random.default_rng(step), [4, 4, 1, 1])
        assert all(len(set(take[one.frames])) == 1 and (np.diff(one.frames) == 1).all() for one in drawn)
        firsts |= {int(one.frames[0]) for one in drawn[:2]}
        drawn, _ = batches(crop=crop).sampler.draw_clips(np.random.default_rng(step), [4])
        others |= {len(set(take[one.frames])) for one in drawn}
    assert firsts == {0, 1, 2, 3, 7, 11, 12, 13} and others == {1, 2}


def test_the_pose_context_of_a_frame_is_in_its_own_take(subject, batches):
    """For the last frame of a take: the next take's first frame makes no difference."""
    poses, _, _ = read_poses(subject["poses"])
    pose_maps = {}
    for name, rows, take in (("both", slice(0, 17), np.repeat([0, 1], [9, 8])), ("first", slice(0, 9), None)):
        store = FrameStore(*three(subject), poses[rows], len(poses[rows]), take=take)
        pose_maps[name] = batches(store, pose_context=1, crop=False).without_augmentation(np.array([8])).pose_maps
    assert torch.equal(pose_maps["both"], pose_maps["first"])
    one_take = batches(pose_context=1, crop=False).without_augmentation(np.array([8])).pose_maps
    assert not torch.equal(one_take, pose_maps["both"])
