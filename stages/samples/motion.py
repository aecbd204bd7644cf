"""Motions, independent of the body that performs them: named motions, varied at random, blended, with footsteps.

A motion is a set of channels, each (T,) at FPS. Angles are in radians. x, z and the stance are fractions of the
person's height, relative to the origin of the room; `drop`, `shift_*` and `reach` are in leg lengths. Channels of arms
and legs have the prefix l_ or r_ (the person's left and right) and are mirrored: equal values are symmetric. The
direction of a limb is given by its angle from hanging down (`swing`, `raise`) and an azimuth (for arms 0 = outwards,
pi/2 = forwards; for legs 0 = forwards, pi/2 = outwards).
"""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

FPS = 25
STANCE = 0.058       # half the distance between the feet, body heights
TOE_OUT = 0.22       # radians
BLEND_SECONDS = 0.8  # cross-fade between two motions
STEP_SECONDS = 0.28

TRUNK = {
    "x": 0.0, "z": 0.0, "yaw": 0.0,                       # position on the floor; the feet follow
    "drop": 0.004, "shift_x": 0.0, "shift_z": 0.0,        # pelvis relative to the standing feet
    "pitch": 0.0, "roll": 0.0, "bend": 0.03, "lean": 0.0, "twist": 0.0,   # pelvis; spine forwards, sideways, around
    "nod": 0.0, "tilt": 0.0, "look": 0.0,                 # head
    "mouth": 0.0, "smile": 0.4, "blink": 0.0, "gaze": 0.0,
}
ARM = {"swing": 0.16, "azimuth": 0.4, "turn": 0.0, "elbow": 0.3, "pronation": 0.0, "wrist": 0.0, "curl": 0.4,
       "spread": 0.1}
LEG = {"kick": 0.0, "raise": 0.0, "around": 0.0, "reach": 0.98, "toe": 0.0}
REST = TRUNK | {f"{side}_{name}": value for side in "lr" for name, value in (ARM | LEG).items()}

Channels = dict[str, np.ndarray]


@dataclass(frozen=True)
class Motion:
    channels: Channels      # one per name in REST, (T,) each
    feet: np.ndarray        # (T, 2, 4): left and right foot's x, z (heights), heading (radians), lift (heights)

    def __len__(self) -> int:
        return len(self.feet)


def perform(motions: tuple[str, ...], seed: int, seconds: float) -> Motion:
    """Repeats `motions` for `seconds`. Every repeat is varied at random; the order is shuffled after each round."""
    rng = np.random.default_rng(seed)
    time = np.arange(max(1, round(seconds * FPS))) / FPS
    total = {name: np.zeros(len(time)) for name in REST}
    order, start, base_yaw, turns, index = list(motions), 0.0, 0.0, 0, 0
    while start < seconds:
        name = order[index % len(order)]
        full = name == "turn" and (turns == 0 or rng.random() < 0.25)  # the first turn shows the person from all sides
        length = 3.2 if full else rng.uniform(1.8, 2.5)
        channels = _repeat(name, full, rng, time - start, length)
        channels["yaw"] = channels["yaw"] + base_yaw
        fade_in = _ease((time - start) / BLEND_SECONDS + 0.5) if index else 1.0
        fade_out = _ease((time - start - length) / BLEND_SECONDS + 0.5)
        for channel, value in channels.items():
            total[channel] += value * (fade_in - fade_out)
        base_yaw += 2 * np.pi * round((channels["yaw"][-1] - base_yaw) / (2 * np.pi)) if full else 0.0
        turns, start, index = turns + (name == "turn"), start + length, index + 1
        if index % len(order) == 0:
            order = _shuffled(order, rng)
    return Motion(total, footsteps(total))


def interpolate(motion: Motion, frames: np.ndarray) -> Motion:
    """The motion at fractional frames (N,), interpolated without overshoot (PCHIP, Fritsch and Carlson 1980)."""
    if len(motion) == 1:
        frames = np.zeros(len(frames), int)
        return Motion({name: value[frames] for name, value in motion.channels.items()}, motion.feet[frames])
    between = lambda values: PchipInterpolator(np.arange(len(motion)), values)(np.clip(frames, 0, len(motion) - 1))
    table = between(np.stack([motion.channels[name] for name in REST], -1))  # (N, channels)
    return Motion(dict(zip(REST, table.T)), between(motion.feet))


def _shuffled(order: list[str], rng: np.random.Generator) -> list[str]:
    """A random order that does not begin with the motion that came last."""
    fresh = [order[i] for i in rng.permutation(len(order))]
    return fresh[1:] + fresh[:1] if len(fresh) > 1 and fresh[0] == order[-1] else fresh


def _repeat(name: str, full: bool, rng: np.random.Generator, time: np.ndarray, length: float) -> Channels:
    """One repeat of a motion: a random stance and random arms, overlaid with the motion; defined for all `time`."""
    channels = REST | {
        "x": rng.uniform(-0.035, 0.035), "z": rng.uniform(-0.04, 0.04), "yaw": rng.uniform(-0.4, 0.4),
        "look": rng.uniform(-0.5, 0.5) + 0.25 * _drift(rng, time), "nod": 0.04 + 0.14 * _drift(rng, time),
        "tilt": 0.12 * _drift(rng, time), "lean": 0.04 * _drift(rng, time), "twist": 0.12 * _drift(rng, time),
        "gaze": 0.6 * _drift(rng, time), "smile": rng.uniform(0.1, 0.9), "blink": _blinks(rng, time),
        "mouth": np.maximum(0, 0.9 * _drift(rng, time)) ** 2,
    }
    for side in "lr":
        channels |= _arm(side, rng, time)
    motion = _turn if full else _MOTION_CHANNELS[name]
    channels |= motion(rng, time, length, channels)
    return {channel: np.broadcast_to(np.asarray(value, float), time.shape) for channel, value in channels.items()}


_POSTURES = (  # ranges of swing, azimuth, turn, elbow, pronation
    ((0.10, 0.35), (0.0, 1.2), (-0.3, 0.3), (0.15, 0.6), (-0.3, 0.5)),     # hanging
    ((0.55, 0.75), (-0.5, -0.2), (-1.3, -1.0), (1.5, 1.8), (-0.3, 0.3)),   # hand on the hip
    ((0.8, 1.4), (0.9, 1.5), (-0.5, 0.3), (0.2, 1.3), (-0.2, 0.9)),        # forwards
    ((0.9, 1.6), (-0.1, 0.4), (-0.2, 1.3), (0.1, 1.2), (-0.4, 0.8)),       # sideways
    ((0.4, 0.8), (0.6, 1.3), (-1.0, -0.4), (1.3, 1.9), (-0.2, 0.6)),       # before the chest
    ((2.3, 2.8), (0.1, 0.9), (0.3, 1.3), (0.1, 0.9), (-0.3, 0.5)),         # overhead
)


def _arm(side: str, rng: np.random.Generator, time: np.ndarray, postures=(0, 0, 0, 1, 2, 3, 4)) -> Channels:
    """An arm in a random posture with slow random movement; the fingers open and close."""
    values = [rng.uniform(*limits) for limits in _POSTURES[postures[rng.integers(len(postures))]]]
    arm = {name: value + 0.10 * _drift(rng, time)
           for name, value in zip(("swing", "azimuth", "turn", "elbow", "pronation"), values)}
    arm |= {"wrist": 0.25 * _drift(rng, time), "curl": np.clip(rng.uniform(0.2, 0.8) + 0.4 * _drift(rng, time), 0, 1.4),
            "spread": np.clip(0.12 + 0.15 * _drift(rng, time), 0, 0.4)}
    return {f"{side}_{name}": value for name, value in arm.items()}


def _turn(rng, time, length, rest) -> Channels:
    """A full turn."""
    around = _ease(time / length) if length > 3 else 0.0
    return {"yaw": rest["yaw"] + rng.choice((-1, 1)) * 2 * np.pi * around, "look": 0.5 * rest["look"]}


def _part_turn(rng, time, length, rest) -> Channels:
    """A turn to one side and back."""
    there, back = rng.uniform(0.30, 0.42), rng.uniform(0.60, 0.72)
    away = _ease(time / (there * length)) - _ease((time - back * length) / (length - back * length))
    return {"yaw": rest["yaw"] + rng.choice((-1, 1)) * rng.uniform(1.2, 1.75) * away}


def _wave(rng, time, length, rest) -> Channels:
    """One hand, sometimes both, is raised and waved from the elbow or from the shoulder."""
    channels = {}
    sides = "lr" if rng.random() < 0.25 else rng.choice(("l", "r"))
    for side in sides:
        beat = np.sin(2 * np.pi * rng.uniform(1.1, 1.9) * time + rng.uniform(0, 6.3))
        if rng.random() < 0.65:
            arm = {"swing": rng.uniform(1.1, 2.0) + 0.08 * beat, "azimuth": rng.uniform(0.0, 0.8),
                   "turn": rng.uniform(1.1, 1.6) + 0.25 * beat,
                   "elbow": rng.uniform(0.7, 1.6) + rng.uniform(0.25, 0.55) * beat}
        else:
            arm = {"swing": rng.uniform(2.2, 2.6) + rng.uniform(0.2, 0.4) * beat, "azimuth": rng.uniform(0.0, 0.5),
                   "turn": rng.uniform(0.5, 1.3), "elbow": rng.uniform(0.2, 0.6) + 0.15 * beat}
        arm |= {"wrist": 0.3 * beat, "curl": rng.uniform(0.05, 0.3), "spread": rng.uniform(0.15, 0.35),
                "pronation": rng.uniform(-0.2, 0.3)}
        channels |= {f"{side}_{name}": value for name, value in arm.items()}
    return channels | {"lean": rest["lean"] + rng.uniform(-0.1, 0.1), "smile": rng.uniform(0.6, 1.0)}


def _squat(rng, time, length, rest) -> Channels:
    """Down and up, once or twice; the trunk bends forwards, the arms balance."""
    times, depth = rng.integers(1, 3), rng.uniform(0.2, 0.46)
    low = 0.5 - 0.5 * np.cos(2 * np.pi * times * np.clip(time / length, 0, 1))
    channels = {"drop": 0.004 + depth * low, "shift_z": -0.22 * depth * low, "pitch": 0.55 * depth * low,
                "bend": 0.03 + rng.uniform(0.5, 0.9) * depth * low, "nod": rest["nod"] - 0.7 * depth * low}
    if rng.random() < 0.7:
        for side in "lr":
            channels |= _arm(side, rng, time, (2, 3, 4))
    return channels


def _kick(rng, time, length, rest) -> Channels:
    """One leg is raised, stretched and taken back; the trunk leans the other way."""
    side = rng.choice(("l", "r"))
    sign = 1 if side == "l" else -1
    phase = time / length
    up = _ease((phase - 0.14) / 0.30) - _ease((phase - 0.60) / 0.30)
    out = _ease((phase - 0.30) / 0.20) - _ease((phase - 0.52) / 0.20)
    around, height = rng.uniform(-0.1, 1.3), rng.uniform(0.85, 1.5)
    channels = {f"{side}_kick": _ease(up * 1.4), f"{side}_raise": 0.15 + (height - 0.15) * up, f"{side}_around": around,
                f"{side}_reach": 0.97 - 0.3 * up + 0.29 * out, f"{side}_toe": 0.5 * up}
    away = 0.25 * height * up
    channels |= {"shift_x": -sign * 0.11 * up, "shift_z": -0.04 * up * np.cos(around), "drop": 0.004 + 0.02 * up,
                 "pitch": -0.3 * away * np.cos(around), "roll": sign * 0.5 * away * np.sin(around),
                 "bend": 0.03 + 0.3 * away * np.cos(around), "lean": rest["lean"] + sign * 0.6 * away * np.sin(around)}
    for arm in "lr":
        channels |= _arm(arm, rng, time, (2, 3, 3, 4))
    return channels


def _dance(rng, time, length, rest) -> Channels:
    """Hips, shoulders and arms move to one beat, with small steps from side to side."""
    tempo, phase = rng.uniform(0.75, 1.15), rng.uniform(0, 2 * np.pi)
    beat = lambda times, offset=0.0: np.sin(2 * np.pi * times * tempo * time + times * phase + offset)
    hip = rng.uniform(0.06, 0.12)
    channels = {
        "x": rest["x"] + rng.uniform(0.0, 0.07) * beat(0.5),
        "yaw": rest["yaw"] + rng.uniform(0.1, 0.4) * beat(0.5, rng.uniform(0, 6)),
        "shift_x": hip * beat(1), "drop": 0.01 + rng.uniform(0.015, 0.06) * (1 + beat(2)), "roll": 1.1 * hip * beat(1),
        "lean": -0.9 * hip * beat(1), "twist": rng.uniform(0.1, 0.3) * beat(1, rng.uniform(0, 6)),
        "tilt": 0.15 * beat(1),
    }
    for side in "lr":
        arm = _arm(side, rng, time, (0, 2, 3, 3, 4, 5))
        for name, most in (("swing", 0.45), ("azimuth", 0.3), ("elbow", 0.5), ("turn", 0.3)):
            arm[f"{side}_{name}"] = arm[f"{side}_{name}"] + rng.uniform(0.3, 0.8) * most * beat(1, rng.uniform(0, 6))
        arm[f"{side}_elbow"] = np.clip(arm[f"{side}_elbow"], 0.05, 2.2)
        arm[f"{side}_swing"] = np.clip(arm[f"{side}_swing"], 0.1, 2.8)
        channels |= arm
    return channels


_MOTION_CHANNELS = {"turn": _part_turn, "wave": _wave, "squat": _squat, "kick": _kick, "dance": _dance}


def _ease(value: np.ndarray) -> np.ndarray:
    """Smoothstep: 0 below 0, 1 above 1, smooth in between."""
    value = np.clip(value, 0, 1)
    return value**2 * (3 - 2 * value)


def _drift(rng: np.random.Generator, time: np.ndarray) -> np.ndarray:
    """Slow random movement, about -1 to 1."""
    rates, phases = rng.uniform(0.15, 0.7, 3), rng.uniform(0, 2 * np.pi, 3)
    return sum(np.sin(2 * np.pi * rate * time + phase) for rate, phase in zip(rates, phases)) / 2


def _blinks(rng: np.random.Generator, time: np.ndarray) -> np.ndarray:
    return np.clip(1.2 - np.abs(time - rng.uniform(0.2, 2.0)) / 0.1, 0, 1)


def footsteps(channels: Channels) -> np.ndarray:
    """Positions of both feet, (T, 2, 4) as in Motion. A foot stands until the trunk has moved away from it, then makes
    a step. Only one foot steps at a time, and none during a kick."""
    x, z, yaw = channels["x"], channels["z"], channels["yaw"]
    sides = np.array([1.0, -1.0])
    ideal = np.stack([x[:, None] + STANCE * sides * np.cos(yaw)[:, None],
                      z[:, None] - STANCE * sides * np.sin(yaw)[:, None],
                      yaw[:, None] + TOE_OUT * sides], -1)  # (T, 2, 3)
    busy = np.maximum(channels["l_kick"], channels["r_kick"]) > 0.01
    feet, planted = np.zeros((len(x), 2, 4)), ideal[0].copy()
    swing, last = round(STEP_SECONDS * FPS), len(x) - 1
    mover, since, origin = -1, 0, None
    for frame in range(len(x)):
        land = min(frame + swing, last)
        if mover < 0 and not busy[frame:land + 1].any():
            off = np.hypot(*(ideal[land] - planted)[:, :2].T) / 0.045 + np.abs(ideal[land] - planted)[:, 2] / 0.4
            if off.max() > 1:
                mover, since, origin = int(off.argmax()), frame, planted[off.argmax()].copy()
                goal = ideal[land]
        lift = 0.0
        if mover >= 0:
            fraction = (frame - since) / swing
            planted[mover] = origin + (goal[mover] - origin) * _ease(fraction)
            lift = 0.035 * np.sin(np.pi * min(fraction, 1)) ** 2
        feet[frame, :, :3] = planted
        feet[frame, mover, 3] = lift if mover >= 0 else 0.0
        if mover >= 0 and frame - since >= swing:
            mover = -1
    return feet
