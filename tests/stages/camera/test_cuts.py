"""Shot boundaries in videos of rendered rooms and people."""

from functools import cache

import cv2
import numpy as np
import pytest

from stages import samples
from stages.camera import cuts
from stages.samples import people, scene

FPS = 25.0


@cache
def shot(person: str, count: int = 40, size: int = 96) -> list[np.ndarray]:
    frames = samples.frames(person, ("dance",), 4, count / FPS, size)
    return [picture for picture, *_ in frames]


@cache
def room(number: int) -> np.ndarray:
    return np.rint(255 * scene.plate(people.person(f"stranger_{number}").room, 192, 2)).astype(np.uint8)


def pan(number: int, step: float, count: int = 40) -> list[np.ndarray]:
    """The room seen by a camera that pans by `step` pixels a frame."""
    wide = np.hstack([room(number), room(number)[:, ::-1]])
    return [cv2.warpAffine(wide, np.float64([[1, 0, -step * t], [0, 1, 0]]), (96, 96)) for t in range(count)]


def found(frames: list[np.ndarray]) -> list[int]:
    """Detects cuts after adding sensor noise."""
    rng, watch = np.random.default_rng(0), cuts.CutDetector(FPS)
    for frame in frames:
        watch.add(np.clip(np.rint(frame + rng.normal(0, 1, frame.shape)), 0, 255).astype(np.uint8))
    return watch.first_frames()


def lit(frames: list[np.ndarray], gains: dict[int, float]) -> list[np.ndarray]:
    """The frames with their values multiplied by a gain and clipped, from the given frame on."""
    gain, out = 1.0, []
    for t, frame in enumerate(frames):
        gain = gains.get(t, gain)
        out.append(np.clip(np.rint(frame * gain), 0, 255).astype(np.uint8))
    return out


@pytest.mark.parametrize("frames", [
    lambda: shot("stranger_7"),                                       # somebody dances
    lambda: pan(7, 2.0), lambda: pan(12, 2.4),
    lambda: lit(shot("stranger_7"), {15: 3.0, 17: 1.0}),              # a flash
    lambda: lit(shot("ben"), {10: 1.9, 20: 1.0, 30: 0.5}),            # steps of exposure
    lambda: lit(shot("stranger_7"), {8: 0.01, 33: 1.0}),              # a black second
    lambda: lit(shot("ben"), {5: 3.0, 6: 0.0, 7: 1.0, 25: 2.0}),
    lambda: [frame[:, ::-1] if t in (20, 21) else frame for t, frame in enumerate(shot("ben"))],  # something passes
    lambda: [np.full((60, 96, 3), 90, np.uint8)] * 30,                # nothing to see at all
], ids="dance pan pan_stripes flash exposure black flicker passing blank".split())
def test_no_cut(frames):
    assert found(frames()) == []


@pytest.mark.parametrize("first, second", [("ben", "stranger_7"), ("stranger_101", "stranger_7"), ("ava", "ben")])
def test_a_hard_cut_is_found_at_its_frame(first, second):
    assert found(shot(first)[:23] + shot(second)[:17]) == [23]
    assert found(shot(first)[:23] + lit(shot(second)[:17], {0: 0.7})) == [23]


def test_nearly_all_cuts_between_similar_empty_rooms_are_found():
    rooms = [cv2.resize(room(number), (96, 96), interpolation=cv2.INTER_AREA) for number in range(200, 206)]
    pairs = [(a, b) for i, a in enumerate(rooms) for b in rooms[:i]]
    hits = sum(found([a] * 4 + [b] * 14) == [4] for a, b in pairs)
    assert hits >= 0.9 * len(pairs)


def test_three_shots():
    frames = shot("ben")[:20] + shot("stranger_7")[:20] + shot("ben")[20:]
    assert found(frames) == [20, 40]


@pytest.mark.parametrize("length", [6, 12, 25])
def test_a_dissolve_is_one_cut_within_it(length):
    ends = shot("ben"), shot("stranger_101")
    shares = np.linspace(0, 1, length + 2)[1:-1]
    mixed = [(1 - share) * a + share * b for share, a, b in zip(shares, ends[0][15:] * 2, ends[1])]
    cut, = found(ends[0][:15] + mixed + ends[1][-25:])
    assert 15 < cut <= 15 + length + 2


def test_a_fade_through_black_is_a_cut():
    down, up = np.linspace(1, 0, 12), np.linspace(0, 1, 12)
    frames = shot("ben")[:20] + [f * g for f, g in zip(shot("ben")[20:], down)]
    frames += [f * g for f, g in zip(shot("stranger_7"), up)] + shot("stranger_7")[12:]
    cut, = found(frames)
    assert 30 <= cut <= 46
