"""A step's batch: the same for the same seed and step, however it is divided, and nothing of the person is cut off."""

import numpy as np
import pytest
import torch

from stages import InputError
from stages.learning.augmentation import AffineAugment
from stages.learning.batches import Batches, flattened
from stages.learning.clip_sampler import Clip
from stages.learning.crops import Crops, pose_boxes, steady_crop_sizes
from stages.learning.frame_store import FrameStore
from stages.media import video_file
from stages.nets.discriminators import background_change
from stages.pose.skeleton import Pose, read_poses
from tests.conftest import small

CPU = torch.device("cpu")
DEMO = {"clips": 2, "clip_length": 4, "single_frames": 6, "patch_size": 2, "num_downsamples": 2, "crop": True, "augment": 0.1,
        "rotate": 0.1, "resample": 0.5, "adversarial_interval": 1}


@pytest.fixture(scope="module")
def data(subject):
    poses, _, _ = read_poses(subject["poses"])
    return FrameStore(*three(subject), poses[:17], 17)


def three(subject: dict) -> list:
    return [subject[name] for name in ("frames", "masks", "background")]


@pytest.fixture
def batches(data, config):
    return lambda footage=data, **changes: Batches(
        footage, small(config.presets["demo"].generator_training, **DEMO | changes), CPU)


def test_drawn_from_seed_and_step(batches):
    first, again = batches(seed=3).at_step(5), batches(seed=3).at_step(5)
    assert torch.equal(first.pose_maps, again.pose_maps) and torch.equal(first.real, again.real)
    for other in (batches(seed=3).at_step(6), batches(seed=4).at_step(5)):
        assert other.real.shape != first.real.shape or not torch.equal(other.real, first.real)


@pytest.mark.parametrize("pose_maps", ["skeleton", "limbs"])
@pytest.mark.parametrize("crop", [True, False])
def test_parts_are_the_undivided_batch(batches, pose_maps, crop):
    data = batches(pose_maps=pose_maps, crop=crop)
    for step in range(3):
        whole, parts = data.at_step(step), [data.at_step(step, part, 2) for part in range(2)]
        assert (whole.clips, whole.clip_length, len(whole.real)) == (2, 4, 14)
        for name in ("pose_maps", "skeletons", "real"):
            mine, theirs = getattr(whole, name), [getattr(part, name) for part in parts]
            clips = torch.cat([part[:4] for part in theirs])
            single_frames = torch.stack([part[4:] for part in theirs], 1).flatten(0, 1)  # dealt out in turn
            assert torch.equal(torch.cat([clips, single_frames]), mine), name


@pytest.mark.parametrize("changes", [{"clips": 1}, {"single_frames": 3}])
def test_what_cannot_be_divided_is_refused(batches, changes):
    with pytest.raises(InputError, match="cannot be divided by 2"):
        batches(**changes).at_step(0, 0, 2)


def test_a_small_window_is_a_cut_out_of_the_whole_square(batches):
    """Of the same frames and shifts; and nothing of the figure is outside, but where it leaves the square."""
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


def test_a_frame_has_the_window_in_training_that_it_has_in_use(batches, data):
    """The share of the person in it, on which the networks' normalisation depends, is the same."""
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


def test_pose_and_picture_lie_on_each_other(batches, data):
    """The figure is painted over its limbs, wherever its window lies and whatever the shift is."""
    shifted = batches(augment=0.2, rotate=0.5, resample=1.0, parts=("body",)).at_step(1)
    for batch in (shifted, batches(parts=("body",)).without_augmentation(np.arange(0, 17, 4))):
        alpha = torch.nn.functional.avg_pool2d(batch.real[:, 3], 2)
        drawn = batch.skeletons.amax(1)
        assert (alpha[drawn > 0.5] > 0.1).float().mean() > 0.97
        assert (drawn > 0.5).any((1, 2)).all()


def test_over_its_background_a_frame_is_as_it_was_filmed(subject, batches):
    """What discriminators see of real ones; a shifted person stands elsewhere before the same background."""
    pictures, chosen = video_file.pick(subject["frames"], [2, 9]), np.array([2, 9])
    data = batches()
    crops = data.crops([Clip(frame[None], AffineAugment()) for frame in chosen], data.sampler.frame_crop_sizes[chosen].max(0))
    batch = data.without_augmentation(chosen)
    seen = 255 * (batch.backgrounds + background_change(batch.real, batch.backgrounds)).permute(0, 2, 3, 1).numpy()
    for found, frame, (left, top, right, bottom) in zip(seen, chosen, crops.boxes()):
        assert np.abs(found - pictures[frame][top:bottom, left:right]).max() < 0.51
    shifted = batches(crop=False).at_step(0)
    empty = (shifted.real[:, 3:] == 0).expand(-1, 3, -1, -1)
    assert not background_change(shifted.real, shifted.backgrounds)[empty].any()
    assert torch.equal(shifted.backgrounds, data.data.background.expand_as(shifted.backgrounds))


def test_runs_are_consecutive_and_judged_in_windows(batches, data):
    batch = batches(augment=0.0, resample=0.0, crop=False).at_step(2)
    frames = data.foregrounds(np.arange(17))

    def frame(picture):
        return (frames - picture).abs().sum((1, 2, 3)).argmin().item()

    found = [frame(picture) for picture in batch.real]
    assert found[:8] == [*range(found[0], found[0] + 4), *range(found[4], found[4] + 4)]
    for length, crops in ((2, 3), (3, 2)):
        seen = batch.crops(batch.real, length)
        assert seen.shape == (2 * crops, length, 4, 64, 64)
        starts = {tuple(found[i : i + length]) for run in (0, 4) for i in range(run, run + crops)}
        assert {tuple(map(frame, row)) for row in seen} == starts


def test_where_nobody_judges_all_are_singles(batches):
    data = batches(adversarial_interval=3)
    assert [(data.at_step(step).clips, len(data.at_step(step).real)) for step in range(4)] == [(2, 14), (0, 14), (0, 14), (2, 14)]


def test_every_frame_is_seen_and_all_of_a_batch_have_one_size(subject, batches):
    """No batch is enlarged for one frame that needs more than the first; and large frames are not rarer than small."""
    poses, _, _ = read_poses(subject["poses"])
    apart = FrameStore(*three(subject), poses[:17], 17, take=np.arange(17))  # whose windows need not be steady
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


def test_frames_without_anybody_are_seen_in_the_middle(subject, batches):
    nobody = FrameStore(*three(subject), Pose.unknown(17), 17)
    batch = batches(nobody, augment=0.0, resample=0.0).at_step(0)
    assert batch.pose_maps.abs().sum() == 0 and batch.real[:, 3].amax((1, 2)).min() == 1  # the masks are known


@pytest.mark.parametrize("crop", [True, False])
def test_no_run_goes_from_one_take_into_another(data, subject, batches, crop):
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


def test_what_a_frame_is_told_is_of_its_own_take(subject, batches):
    """The neighbours of a take's last frame and of the next one's first."""
    poses, _, _ = read_poses(subject["poses"])
    told = {}
    for name, rows, take in (("both", slice(0, 17), np.repeat([0, 1], [9, 8])), ("first", slice(0, 9), None)):
        footage = FrameStore(*three(subject), poses[rows], len(poses[rows]), take=take)
        told[name] = batches(footage, pose_context=1, crop=False).without_augmentation(np.array([8])).pose_maps
    assert torch.equal(told["both"], told["first"])
    assert not torch.equal(batches(pose_context=1, crop=False).without_augmentation(np.array([8])).pose_maps, told["both"])
