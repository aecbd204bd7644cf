"""Known changes of the light are measured and corrected, and constant light is left unchanged."""

import cv2
import numpy as np
import pytest

from stages.camera import lighting
from tests.stages import turning

COUNT = 24
T = np.arange(COUNT)[:, None]
STEADY = np.ones((COUNT, 3)), np.zeros((COUNT, 3))
CHANGES = {  # gain and offset of R, G, B over time
    "flicker": (1 + 0.08 * np.cos(2 * np.pi * T / 3) * np.ones(3), np.zeros((COUNT, 3))),
    "drift": (0.8 + 0.35 * T / COUNT * np.array([1.0, 0.9, 1.1]), np.zeros((COUNT, 3))),
    "offset": (np.ones((COUNT, 3)), 8 * np.sin(T / 2) * np.ones(3)),
}


def filmed(change, cameras=None, room="stranger_7"):
    """Frames in changed light, masks of the people, and cameras onto the canvas."""
    true = cameras or [turning.turned(0.0)] * COUNT
    frames, covered = turning.filmed(true, turning.room(room))
    gains, offsets = change
    frames = [np.clip(np.rint(f * g + o), 0, 255).astype(np.uint8) for f, g, o in zip(frames, gains, offsets)]
    return frames, covered, np.stack(true) if cameras else None


def measured(frames, covered, cameras):
    pick = slice(None, None, 2)
    full, canvas = turning.FRAME, (turning.WIDE, turning.WIDE) if cameras is not None else turning.FRAME
    chosen = None if cameras is None else cameras[pick]
    reference = lighting.ReferenceLight(frames[pick], covered[pick], chosen, full, canvas)
    return np.array([reference.measure(frame, hidden, None if cameras is None else cameras[t])
                     for t, (frame, hidden) in enumerate(zip(frames, covered))])


def shades(lights, change):
    """The value of a middle grey after correction, (T, 3), which must be constant."""
    return (128 * change[0] + change[1]) * lights[:, :3] + lights[:, 3:]


@pytest.mark.parametrize("cameras", [None, turning.panning(COUNT, 0.08)], ids=["still", "panned"])
@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_corrected(name, cameras):
    change = CHANGES[name]
    lights = lighting.lights_to_apply(measured(*filmed(change, cameras)), 0.01)
    unchanged = np.tile(lighting.UNCHANGED, (COUNT, 1))
    before, after = (np.ptp(shades(one, change), axis=0).max() for one in (unchanged, lights))
    assert after < (0.45 if name == "offset" else 0.12) * before


@pytest.mark.parametrize("cameras", [None, turning.panning(COUNT, 0.08)], ids=["still", "panned"])
def test_constant_light_leaves_frames_unchanged(cameras):
    frames, covered, true = filmed(STEADY, cameras, "ben")
    lights = lighting.lights_to_apply(measured(frames, covered, true), 0.01)
    assert np.array_equal(lights, np.tile(np.float32([1, 1, 1, 0, 0, 0]), (COUNT, 1)))
    assert lighting.apply_light(frames[0], lights[0]) is frames[0]


def test_the_person_and_clipping_do_not_affect_the_measurement():
    """A person in red who comes and goes covers half of the picture, and a window is overexposed."""
    change = CHANGES["flicker"]
    frames, covered, _ = filmed(change)
    for t, (frame, hidden) in enumerate(zip(frames, covered)):
        hidden[:] = False
        frame[:60, :60] = 255
        if t % 4 < 2:
            frame[:, 160:] = np.clip(np.array([180, 20, 20]) * change[0][t], 0, 255)
            hidden[:, 150:] = True
    after = shades(lighting.lights_to_apply(measured(frames, covered, None), 0.01), change)
    assert np.ptp(after, axis=0).max() < 2


def test_a_black_second_is_marked_and_not_corrected():
    frames, covered, _ = filmed(CHANGES["flicker"])
    for t in range(8, 16):
        frames[t] = frames[t] // 50
    found = measured(frames, covered, None)
    assert np.array_equal(np.flatnonzero(np.isnan(found).any(1)), np.arange(8, 16))
    lights = lighting.lights_to_apply(found, 0.01)
    assert np.array_equal(lights[8:16], np.tile(lighting.UNCHANGED, (8, 1)))
    assert (lights[:8] != lighting.UNCHANGED).any(1).all()


def test_sample_and_light_meter_detect_a_change():
    pick = slice(None, None, 2)
    for name, (least, most) in {"flicker": (0.03, 0.1), "drift": (0.05, 0.2)}.items():
        frames, covered, _ = filmed(CHANGES[name])
        assert least < lighting.light_change(frames[pick], covered[pick]) < most
    assert lighting.light_change(*(each[pick] for each in filmed(STEADY)[:2])) < 0.003

    def watched(change):
        watch = lighting.LightMeter()
        for frame in filmed(change)[0]:
            watch.add(cv2.resize(frame, (96, 72), interpolation=cv2.INTER_AREA))
        return watch.change()
    assert watched(CHANGES["flicker"]) > 0.03 and watched(STEADY) < 0.006


def test_apply_light_is_gain_and_offset():
    picture = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    found = lighting.apply_light(picture, np.float32([1.2, 0.9, 1.0, -3, 4, 0]))
    assert np.abs(found - np.clip(picture * [1.2, 0.9, 1] + [-3, 4, 0], 0, 255)).max() < 0.501
