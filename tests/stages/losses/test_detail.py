"""The detail loss of pictures whose detail is moved, blurred or removed."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from stages.losses.detail import detail_loss, mean_gradients

NOISE = np.random.default_rng(0).uniform(0, 1, (1, 3, 64, 64)).astype(np.float32)


def test_equal_pictures_have_none():
    assert detail_loss(torch.from_numpy(NOISE), torch.from_numpy(NOISE)) == 0


def test_blur_costs_more_the_stronger_it_is_and_more_than_a_shift():
    """For L1 it is the other way round."""
    real = torch.from_numpy(NOISE)
    shifted = torch.from_numpy(np.roll(NOISE, 1, -1))
    blurred = [torch.from_numpy(gaussian_filter(NOISE, (0, 0, s, s), mode="wrap")) for s in (0.5, 1, 2)]
    weak, middle, strong = (detail_loss(one, real) for one in blurred)
    assert detail_loss(shifted, real) < weak / 3 < weak < middle < strong
    assert (shifted - real).abs().mean() > (blurred[2] - real).abs().mean()


def test_gradients_of_stripes_are_their_steps():
    stripes = torch.zeros(1, 3, 17, 17)
    stripes[..., ::2] = 0.5
    found = mean_gradients(stripes)
    assert found.shape == (1, 6, 3, 3) and found[:, :3].unique().tolist() == pytest.approx([0.5]) and not found[:, 3:].any()


def test_the_gradient_sharpens_a_blurred_picture():
    real = torch.from_numpy(NOISE)
    blurred = torch.from_numpy(gaussian_filter(NOISE, (0, 0, 1, 1), mode="wrap")).requires_grad_()
    grad, = torch.autograd.grad(detail_loss(blurred, real), blurred)
    sharper = blurred.detach() - grad / grad.abs().max() * 0.01
    assert mean_gradients(sharper).mean() > mean_gradients(blurred.detach()).mean()
