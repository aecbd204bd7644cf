"""The corrections of charts find offsets that are known, and stay within their limit."""

import math
from types import SimpleNamespace

import pytest
import torch

from stages.learning.chart_offsets import ChartOffsets


def batch(frames, charts, turn=0.0, scale=1.0) -> SimpleNamespace:
    cosine, sine = scale * math.cos(turn), scale * math.sin(turn)
    linear = torch.tensor([[cosine, sine], [-sine, cosine]]).expand(len(frames), 2, 2)
    return SimpleNamespace(frames=torch.tensor(frames), charts=charts, linear=linear)


def test_a_known_error_of_the_ends_is_found():
    torch.manual_seed(0)
    offsets, true = ChartOffsets(4, 2, 3.0), torch.zeros(4, 2, 6)
    true[..., :4] = torch.rand(4, 2, 4) * 3 - 1.5
    for step in range(200):
        frames = [step % 4, (step + 1) % 4]
        given = batch(frames, torch.full((2, 2, 6), 10.0))
        (offsets.corrected(given) - given.charts - true[frames]).square().mean().backward()
        offsets.step(1 - step / 200)
    found = offsets.corrected(batch([0, 1, 2, 3], torch.zeros(4, 2, 6))).detach()
    assert found.numpy() == pytest.approx(true.numpy(), abs=0.1)


def test_offsets_are_limited_and_turn_with_the_augmentation():
    offsets = ChartOffsets(1, 1, 3.0)
    with torch.no_grad():
        offsets.table[0] = torch.tensor([1000.0, 0.0, 0.0, -1000.0])
    found = offsets.corrected(batch([0], torch.tensor([[[5.0, 5, 5, 5, 2, 1]]]), turn=math.pi / 2, scale=2.0)).detach()
    assert found.flatten().tolist() == pytest.approx([5, 11, 11, 5, 2, 1], abs=1e-4)


def test_the_penalty_draws_offsets_to_zero():
    offsets = ChartOffsets(2, 1, 3.0)
    with torch.no_grad():
        offsets.table += 1.0
    for _ in range(50):
        offsets.penalty(batch([1], torch.zeros(1, 1, 6))).backward()
        offsets.step(1.0)
    assert offsets.table[0].tolist() == [1.0] * 4 and offsets.table[1].abs().max() < 0.3
