"""Textures unwarped from a painted picture show its colours at the right positions."""

import pytest
import torch

from stages.nets.chart_lookup import ACROSS, ALONG
from stages.nets.unwarping import unwarped_textures

SIZE = 16
LIMB = torch.tensor([[[40.0, 10.0, 40.0, 90.0, 12.0, 0.0]]])  # straight down


def painted(alpha: float = 1.0) -> torch.Tensor:
    """A limb whose upper half is red and whose lower half is blue, over nothing: (1, 4, 100, 80)."""
    found = torch.zeros(1, 4, 100, 80)
    found[:, 0, 10:50, 28:52] = found[:, 2, 50:90, 28:52] = alpha
    found[:, 3, 10:90, 28:52] = alpha
    return found


def at(texture: torch.Tensor, along: float, across: float) -> list[float]:
    column = int((along - ALONG[0]) / (ALONG[1] - ALONG[0]) * SIZE)
    row = int((across / ACROSS + 1) / 2 * SIZE)
    return texture[:, row, column].tolist()


def test_colours_stand_at_their_place_and_fill_what_was_not_seen():
    [texture] = unwarped_textures(LIMB, painted(), SIZE)
    for across in (-1.2, -0.5, 0.5, 1.2):
        assert at(texture[:3], 0.2, across) == pytest.approx([1, 0, 0], abs=0.2)  # a mean at the outer edge
        assert at(texture[:3], 0.8, across) == pytest.approx([0, 0, 1], abs=0.2)
    assert at(texture[:3], 1.35, 0) == pytest.approx([0, 0, 1])  # beyond the limb


def test_a_pixel_belongs_to_the_nearest_chart():
    beside = LIMB + torch.tensor([24.0, 0, 24, 0, 0, 0])
    frames = painted()
    frames[:, 1, :, 52:76] = frames[:, 3, :, 52:76] = 1
    first, second = unwarped_textures(torch.cat([LIMB, beside], 1), frames, SIZE)
    assert at(first[:3], 0.2, 0.5) == pytest.approx([1, 0, 0]) and at(second[:3], 0.2, 0.5) == pytest.approx([0, 1, 0])


def test_the_frame_that_shows_most_wins():
    hidden, grey = painted(), torch.zeros(1, 4, 100, 80)
    grey[:, :, 10:60, 28:52] = 1  # shows less
    [texture] = unwarped_textures(LIMB.expand(2, -1, -1), torch.cat([grey, hidden]), SIZE)
    assert at(texture[:3], 0.2, 0) == pytest.approx([1, 0, 0])


@pytest.mark.parametrize("charts, frames", [(LIMB * torch.tensor([1, 1, 1, 1, 0, 0]), painted()), (LIMB, painted(0.5))])
def test_nothing_seen_is_grey(charts, frames):
    assert unwarped_textures(charts, frames, SIZE)[:, :3].flatten().tolist() == pytest.approx([0.5] * 3 * SIZE**2)


def test_a_limb_that_hides_another_one_shows_its_colours_where_it_hides_none():
    """In the first frame a narrow limb lies wholly on a wide one, in the second one beside it and partly hidden."""
    wide, narrow = LIMB + torch.tensor([0, 0, 0, 0, 10.0, 0]), LIMB + torch.tensor([0, 0, 0, 0, -8.0, 2.0])
    beside = narrow + torch.tensor([34.0, 0, 34, 0, 0, 0])
    charts = torch.cat([torch.cat([wide, narrow], 1), torch.cat([wide, beside], 1)])
    on, off = torch.zeros(2, 4, 100, 120)
    on[[1, 3], 10:90, 18:62] = 1                            # all green: the narrow one is badly placed
    off[[1, 3], 10:90, 18:62] = off[[0, 3], 10:70, 70:78] = 1  # red, and shorter
    [_, found] = unwarped_textures(charts, torch.stack([on, off]), SIZE, torch.tensor([0, 1]))
    assert at(found[:3], 0.4, 0) == pytest.approx([1, 0, 0]) and at(found[3:], 0.4, 0) == pytest.approx([1])
    assert at(found[3:], 0.95, 0)[0] < 0.1  # transparent where nothing was hidden
    [_, without] = unwarped_textures(charts, torch.stack([on, off]), SIZE, torch.tensor([0, 0]))
    assert at(without[:3], 0.4, 0) == pytest.approx([0, 1, 0])


def test_alpha_is_the_mean_over_all_frames():
    alpha = unwarped_textures(LIMB.expand(2, -1, -1), torch.cat([painted(), painted(0.5)]), SIZE)[:, 3:]
    assert at(alpha[0], 0.5, 0) == pytest.approx([0.75]) and at(alpha[0], 0.5, 1.25) == [0] and at(alpha[0], 1.3, 0) == [0]


def test_a_limb_smaller_than_its_texture_has_no_holes():
    """Ten by four pixels in 64 x 64 texels."""
    small = torch.tensor([[[40.0, 10.0, 40.0, 20.0, 2.0, 0.0]]])
    frame = torch.zeros(1, 4, 100, 80)
    frame[:, 0, 10:20, 38:42] = frame[:, 3, 10:20, 38:42] = 1
    [texture] = unwarped_textures(small, frame, 64)
    inside = texture[:, 18:46, 18:46]  # from 0.1 to 0.9 along, and to 0.6 across
    assert (inside[3] > 0.9).all() and (inside[0] > 0.9).all() and (inside[1:3] < 0.1).all()
