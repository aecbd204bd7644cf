"""One step is the same step, however its batch is split; and what runs out of memory is told what would fit."""

import copy

import numpy as np
import pytest
import torch

from stages import InputError, params as config
from stages.learning import devices, memory
from stages.learning.batches import Batches
from stages.learning.frame_store import FrameStore
from stages.learning.training import LOSSES, Training
from stages.pose.skeleton import read_poses
from tests.settings import content

SMALL = {"steps": 8, "clips": 2, "clip_length": 3, "single_frames": 4, "width": 8, "num_downsamples": 2, "blocks": 1, "patch_size": 2,
         "discriminator_width": 8, "features_depth": 2, "features_size": 32, "adversarial_interval": 1, "precision": "float32", "device": "cpu", "gw_outer": 5,
         "gw_inner": 20, "optimiser": "adam", "learning_rate": 1e-4, "discriminator_learning_rate": 1e-4, "weight_l2": 1.0, "weight_gw": 5.0, "weight_matching": 1.0}
EDN = {"architecture": "pix2pixhd", "patch_size": 1, "discriminators": "multiscale", "adversarial": "least_squares",
       "pose_maps": "skeleton", "weight_temporal": 0.0}


def settings(**changes) -> config.GeneratorTraining:
    block = content()["presets"]["demo"]["generator_training"]
    return config.GeneratorTraining(**{**block, **SMALL, **changes})


@pytest.fixture(scope="module")
def data(subject):
    pose = read_poses(subject["poses"])[0][np.arange(17)]
    return FrameStore(subject["frames"], subject["masks"], subject["background"], pose, 17, torch.device("cpu"))


def stepped(data, params, steps: int = 3) -> tuple[np.ndarray, dict]:
    """Losses of some steps, and the generator's weights after them."""
    batches = Batches(data, params, torch.device("cpu"))
    training = Training(params, devices.fabric("cpu", 1, "float32"), batches.inputs)
    losses = torch.stack([training.advance(batches) for _ in range(steps)]).numpy()
    return losses, training.networks["generator"].state_dict()


def gradients(data, params) -> tuple[np.ndarray, dict]:
    """Losses and gradients of the first step, before any network has moved."""
    batches = Batches(data, params, torch.device("cpu"))
    training = Training(params, devices.fabric("cpu", 1, "float32"), batches.inputs)
    found = {}

    def keep(name):
        for part, weight in training.networks[name].named_parameters():
            found[f"{name}.{part}"], weight.grad = weight.grad, None

    training.descend = keep
    return training.advance(batches).numpy(), found


@pytest.mark.parametrize("changes", [{}, {"gw_points": "patches"}, {"gw_debiased": True}, EDN],
                         ids=["frames", "patches", "debiased", "pix2pixhd"])
def test_micro_batches_change_nothing(data, changes):
    """Gromov-Wasserstein among them: the vectors of all micro-batches are compared."""
    whole, pulls = gradients(data, settings(**changes))
    split, others = gradients(data, settings(accumulation=2, **changes))
    assert whole[[LOSSES.index(name) for name in ("l1", "l2", "alpha", "vgg", "gw", "matching", "spatial")]].all()
    np.testing.assert_allclose(split, whole, rtol=1e-4)
    assert pulls.keys() == others.keys()
    for name, pull in pulls.items():
        torch.testing.assert_close(others[name], pull, rtol=0, atol=1e-3 * pull.abs().max().item(),
                                   msg=lambda text, name=name: f"{name}: {text}")


def test_gromov_wasserstein_of_a_split_batch_is_not_the_mean_of_its_parts(data):
    """What the test above would miss if no vectors were gathered."""
    params = settings()
    batches = Batches(data, params, torch.device("cpu"))
    training = Training(params, devices.fabric("cpu", 1, "float32"), batches.inputs)

    def value(parts):
        shares = [batches.of(0, i, parts) for i in range(parts)]
        looks = [training.looks(share, training.average(share.poses).detach()) for share in shares]
        together = training.gromov_wasserstein(looks, parts)[0]["gw"]
        alone = [training.gromov_wasserstein([look], 1)[0]["gw"] for look in looks]
        return float(together), float(np.mean(alone))

    assert value(2)[0] == pytest.approx(value(1)[0], rel=1e-4)
    assert value(2)[1] != pytest.approx(value(1)[0], rel=1e-2)


def test_the_judges_are_asked_every_so_often_and_weigh_as_much_more(data):
    every = {name: LOSSES.index(name) for name in ("l1", "alpha")}
    asked = {name: LOSSES.index(name) for name in ("vgg", "gw", "spatial", "d_temporal")}
    losses, _ = stepped(data, settings(adversarial_interval=3), steps=5)
    assert all(len(set(losses[:, column].tolist())) == 5 for column in every.values())
    assert all(len(set(losses[:3, column].tolist())) == 1 for column in asked.values())
    assert all(len({losses[0, column], losses[3, column]}) == 2 for column in asked.values())
    lone = {"weight_l1": 0.0, "weight_l2": 0.0, "weight_alpha": 0.0, "weight_temporal": 0.0, "weight_gw": 0.0,
            "weight_matching": 0.0}
    once, thrice = (stepped(data, settings(adversarial_interval=every, weight_vgg=vgg, weight_spatial=spatial).model_copy(
        update=lone), steps=1)[1] for every, vgg, spatial in ((3, 1.0, 0.1), (1, 3.0, 0.3)))
    assert all(torch.equal(once[name], thrice[name]) for name in once)


@pytest.mark.parametrize("changes", [{}, EDN], ids=["dual", "multiscale"])
def test_discriminators_see_frames_and_not_their_alpha(data, changes):
    """Which is exactly 0 or 1 where it is real: opaque or not, a foreground over the background looks the same."""
    params = settings(**changes)
    batches = Batches(data, params, torch.device("cpu"))
    training, share = Training(params, devices.fabric("cpu", 1, "float32"), batches.inputs), batches.of(0)
    foreground = 0.5 * share.real
    frame = foreground[:, :3] + (1 - foreground[:, 3:]) * share.backgrounds
    opaque, black = torch.cat([frame, torch.ones_like(frame[:, :1])], 1), torch.zeros_like(foreground)
    for name in training.judges:
        looks = [training.judge(name, share, x)[0][-1].detach() for x in (foreground, opaque, black)]
        torch.testing.assert_close(looks[0], looks[1])
        assert (looks[0] - looks[2]).abs().max() > 1e-3


def test_a_step_goes_on_from_a_saved_state(data):
    params = settings()
    batches = Batches(data, params, torch.device("cpu"))
    first, second = (Training(params, devices.fabric("cpu", 1, "float32"), batches.inputs) for _ in range(2))
    first.advance(batches)
    second.restore(copy.deepcopy(first.state()))
    assert torch.equal(first.advance(batches), second.advance(batches))


@pytest.mark.parametrize("most, told", [
    (6, "`accumulation: 2`, which learns the same,"),
    (5, "`accumulation: 2`, which learns the same,"),
    (4, "`clips: 1` with `single_frames: 0`"),  # two micro-batches would still be of five
])
def test_out_of_memory_is_told_what_fits(data, monkeypatch, most, told):
    """A generator that can take no more than `most` frames at once."""
    params = settings()
    batches = Batches(data, params, torch.device("cpu"))
    training = Training(params, devices.fabric("cpu", 1, "float32"), batches.inputs)
    generate = training.generate

    def limited(share):
        if len(share.poses) > most:
            raise torch.OutOfMemoryError
        return generate(share)

    monkeypatch.setattr(training, "generate", limited)
    with pytest.raises(torch.OutOfMemoryError):
        training.advance(batches)
    assert memory.advice(training, batches) == (
        f"out of memory on cpu with 10 frames of 64 x 64 pixels at once; {told} fits (tried)")


def test_out_of_memory_of_any_frame_asks_for_smaller_ones(data, monkeypatch):
    params = settings(clips=1, single_frames=0)
    batches = Batches(data, params, torch.device("cpu"))
    training = Training(params, devices.fabric("cpu", 1, "float32"), batches.inputs)
    full, generate = batches.of(0).poses[0].numel(), training.generate

    def limited(share):
        if share.poses[0].numel() >= full:
            raise torch.OutOfMemoryError
        return generate(share)

    monkeypatch.setattr(training, "generate", limited)
    assert "frames.size" in memory.advice(training, batches)


def test_more_gpus_than_there_are_are_refused():
    if torch.cuda.device_count() >= 8:
        pytest.skip("there are that many")
    with pytest.raises(InputError, match="devices|no CUDA device"):
        devices.fabric("cuda", 8)
