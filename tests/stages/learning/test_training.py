"""A step does not depend on how its batch is split; an out-of-memory error says which settings fit."""

import copy

import numpy as np
import pytest
import torch

from stages import InputError
from stages.learning import devices, memory
from stages.learning.batches import Batches
from stages.learning.frame_store import FrameStore
from stages.learning.objective import LOSSES
from stages.learning.training import Training
from stages.media.pose_table import read_poses
from stages.params import GeneratorTraining
from tests.settings import content

SMALL = {"steps": 8, "clips": 2, "clip_length": 3, "single_frames": 4, "width": 8, "num_downsamples": 2, "blocks": 1,
         "patch_size": 2, "discriminator_width": 8, "features_depth": 2, "features_size": 32, "features": "random", "adversarial_interval": 1,
         "precision": "float32", "device": "cpu", "gw_outer": 5, "gw_inner": 20, "optimiser": "adam",
         "learning_rate": 1e-4, "discriminator_learning_rate": 1e-4, "weight_l2": 1.0, "weight_gw": 5.0,
         "weight_matching": 1.0}
EDN = {"architecture": "pix2pixhd", "patch_size": 1, "discriminators": "multiscale", "adversarial": "least_squares",
       "pose_maps": "skeleton", "weight_temporal": 0.0}


def settings(**changes) -> GeneratorTraining:
    block = content()["presets"]["demo"]["generator_training"]
    return GeneratorTraining(**{**block, **SMALL, **changes})


WINDOWED = {"max_cells": 16, "window_size": 32, "coarse_share": 0.5}  # for frames of 64 x 64 pixels


@pytest.fixture(scope="module")
def data(subject):
    pose = read_poses(subject["poses"])[0][np.arange(17)]
    return FrameStore(subject["frames"], subject["masks"], subject["background"], pose, 17, torch.device("cpu"))


def run_steps(data, params, steps: int = 3) -> tuple[np.ndarray, dict]:
    """The losses of some steps, and the generator's weights after them."""
    batches = Batches(data, params, torch.device("cpu"))
    training = Training(params, devices.fabric("cpu", 1, "float32"), batches.in_channels, data)
    losses = torch.stack([training.advance(batches) for _ in range(steps)]).numpy()
    return losses, training.networks["generator"].state_dict()


def gradients(data, params) -> tuple[np.ndarray, dict]:
    """The losses and gradients of the first step, without optimiser steps."""
    batches = Batches(data, params, torch.device("cpu"))
    training = Training(params, devices.fabric("cpu", 1, "float32"), batches.in_channels, data)
    found = {}

    def keep(name):
        for part, weight in training.networks[name].named_parameters():
            found[f"{name}.{part}"], weight.grad = weight.grad, None

    training.optimizer_step = keep
    return training.advance(batches).numpy(), found


@pytest.mark.parametrize("changes", [{}, {"architecture": "fakemotion"}, {"gw_points": "patches"}, {"gw_debiased": True}, EDN,
                                     WINDOWED, WINDOWED | {"coarse_share": 0.0}],
                         ids=["limb_atlas", "fakemotion", "patches", "debiased", "pix2pixhd", "reduced", "windows"])
def test_micro_batches_change_nothing(data, changes):
    """Including Gromov-Wasserstein, which compares the vectors of all micro-batches."""
    whole, grads = gradients(data, settings(**changes))
    split, others = gradients(data, settings(accumulation=2, **changes))
    assert whole[[LOSSES.index(name) for name in ("l1", "l2", "alpha", "vgg", "gw", "matching", "spatial")]].all()
    np.testing.assert_allclose(split, whole, rtol=1e-4)
    assert grads.keys() == others.keys()
    for name, grad in grads.items():
        torch.testing.assert_close(others[name], grad, rtol=0, atol=1e-3 * grad.abs().max().item(),
                                   msg=lambda text, name=name: f"{name}: {text}")


def test_gromov_wasserstein_of_a_split_batch_is_not_the_mean_of_its_parts(data):
    """So the test above would notice if the vectors were not gathered."""
    params = settings(architecture="fakemotion")
    batches = Batches(data, params, torch.device("cpu"))
    training = Training(params, devices.fabric("cpu", 1, "float32"), batches.in_channels, data)

    def value(count):
        objective, micro_batches = training.objective, [batches.at_step(0, i, count) for i in range(count)]
        features = [objective.perceptual_features(batch, training.average(batch.pose_maps, batch.charts).detach(), True)
                    for batch in micro_batches]
        together = objective.gromov_wasserstein(features)[0]
        alone = [objective.gromov_wasserstein([one])[0] for one in features]
        return float(together), float(np.mean(alone))

    assert value(2)[0] == pytest.approx(value(1)[0], rel=1e-4)
    assert value(2)[1] != pytest.approx(value(1)[0], rel=1e-2)


def test_discriminators_are_used_at_intervals_with_as_much_more_weight(data):
    pixel_terms = {name: LOSSES.index(name) for name in ("l1", "alpha")}
    adversarial = {name: LOSSES.index(name) for name in ("vgg", "gw", "spatial", "d_temporal")}
    losses, _ = run_steps(data, settings(adversarial_interval=3), steps=5)
    assert all(len(set(losses[:, column].tolist())) == 5 for column in pixel_terms.values())
    assert all(len(set(losses[:3, column].tolist())) == 1 for column in adversarial.values())
    assert all(len({losses[0, column], losses[3, column]}) == 2 for column in adversarial.values())
    lone = {"weight_l1": 0.0, "weight_l2": 0.0, "weight_alpha": 0.0, "weight_temporal": 0.0, "weight_gw": 0.0,
            "weight_matching": 0.0}
    once, thrice = (run_steps(data, settings(adversarial_interval=every, weight_vgg=vgg, weight_spatial=spatial).model_copy(
        update=lone), steps=1)[1] for every, vgg, spatial in ((3, 1.0, 0.1), (1, 3.0, 0.3)))
    assert all(torch.equal(once[name], thrice[name]) for name in once)


@pytest.mark.parametrize("changes", [{}, EDN], ids=["dual", "multiscale"])
def test_discriminators_see_frames_and_not_their_alpha(data, changes):
    """Opaque or not, a foreground with the same composite over the background gives the same output."""
    params = settings(**changes)
    batches = Batches(data, params, torch.device("cpu"))
    training, batch = Training(params, devices.fabric("cpu", 1, "float32"), batches.in_channels, data), batches.at_step(0)
    foreground = 0.5 * batch.real
    frame = foreground[:, :3] + (1 - foreground[:, 3:]) * batch.backgrounds
    opaque, black = torch.cat([frame, torch.ones_like(frame[:, :1])], 1), torch.zeros_like(foreground)
    for name in training.discriminators:
        logits = [training.objective.disc_outputs(name, batch, x)[0][-1].detach() for x in (foreground, opaque, black)]
        torch.testing.assert_close(logits[0], logits[1])
        assert (logits[0] - logits[2]).abs().max() > 1e-3


def test_joint_offsets_are_learned_for_the_frames_of_the_step_only(data):
    params = settings(max_joint_offset=0.05)
    batches = Batches(data, params, torch.device("cpu"))
    training = Training(params, devices.fabric("cpu", 1, "float32"), batches.in_channels, data)
    training.initialise(batches)
    training.advance(batches)
    moved = set(training.chart_offsets.table.abs().sum(1).nonzero().flatten().tolist())
    assert moved == set(batches.at_step(0).frames.tolist()) and len(moved) < data.count


def test_without_joint_offsets_nothing_is_corrected(data):
    for changes in ({"max_joint_offset": 0.0}, {"architecture": "fakemotion"}):
        params = settings(**changes)
        batches = Batches(data, params, torch.device("cpu"))
        assert Training(params, devices.fabric("cpu", 1, "float32"), batches.in_channels, data).chart_offsets is None


def test_a_training_resumes_from_a_saved_state(data):
    params = settings()
    batches = Batches(data, params, torch.device("cpu"))
    first, second = (Training(params, devices.fabric("cpu", 1, "float32"), batches.in_channels, data) for _ in range(2))
    first.advance(batches)
    second.restore(copy.deepcopy(first.state()))
    assert torch.equal(first.advance(batches), second.advance(batches))


@pytest.mark.parametrize("most, suggestion", [
    (6, "`accumulation: 2`, which learns the same,"),
    (5, "`accumulation: 2`, which learns the same,"),
    (4, "`clips: 1` with `single_frames: 0`"),  # two micro-batches would still be of five
])
def test_an_out_of_memory_error_says_what_fits(data, monkeypatch, most, suggestion):
    """With a generator that takes at most `most` frames at once."""
    params = settings()
    batches = Batches(data, params, torch.device("cpu"))
    training = Training(params, devices.fabric("cpu", 1, "float32"), batches.in_channels, data)
    generate = training.generate

    def limited(batch):
        if len(batch.pose_maps) > most:
            raise torch.OutOfMemoryError
        return generate(batch)

    monkeypatch.setattr(training, "generate", limited)
    with pytest.raises(torch.OutOfMemoryError):
        training.advance(batches)
    assert memory.suggest_settings(training, batches) == (
        f"out of memory on cpu with 10 frames of 64 x 64 pixels at once; {suggestion} fits (tried)")


def test_smaller_frames_are_suggested_if_a_single_one_does_not_fit(data, monkeypatch):
    params = settings(clips=1, single_frames=0)
    batches = Batches(data, params, torch.device("cpu"))
    training = Training(params, devices.fabric("cpu", 1, "float32"), batches.in_channels, data)
    full, generate = batches.at_step(0).pose_maps[0].numel(), training.generate

    def limited(batch):
        if batch.pose_maps[0].numel() >= full:
            raise torch.OutOfMemoryError
        return generate(batch)

    monkeypatch.setattr(training, "generate", limited)
    assert "frames.max_size" in memory.suggest_settings(training, batches)


def test_more_gpus_than_available_are_rejected():
    if torch.cuda.device_count() >= 8:
        pytest.skip("there are that many")
    with pytest.raises(InputError, match="devices|no CUDA device"):
        devices.fabric("cuda", 8)
