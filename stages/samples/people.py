"""The people that can be rendered: ava, ben, cleo, and `stranger_<n>`, drawn at random from the seed n."""

import re
from dataclasses import dataclass

import numpy as np

from stages import InputError
from stages.samples.scene import Colour, Room


@dataclass(frozen=True)
class Cloth:
    pattern: str                    # plain, stripes, checks, dots, print, denim
    colour: Colour
    second: Colour = (240, 240, 240)
    scale: float = 0.07             # metres per repeat


@dataclass(frozen=True)
class SamplePerson:
    """Proportions, looks and room of a person. Lengths are fractions of the height unless stated otherwise."""

    height: float                   # metres, crown to sole
    head: float                     # crown to chin
    shoulder: float                 # half the distance between the shoulder joints
    hip: float                      # half the distance between the joints
    leg: float                      # hip joint to ankle
    arm: float                      # shoulder to wrist
    girth: float                    # of the trunk, 1 = average
    limb: float                     # of arms and legs, 1 = average
    bust: float                     # 0 to 1
    skin: Colour
    hair: Colour
    style: str                      # short, ponytail, bob, long, bun, curly
    iris: Colour
    lips: Colour
    beard: float                    # 0 none to 1 full
    top: Cloth
    sleeve: float                   # covered fraction of the arm
    bottom: Cloth
    trouser: float                  # covered fraction of the leg
    shoes: Colour
    room: Room
    dynamic: bool = False             # hair and cloth are simulated (dynamics.py)
    skirt: float = 0.0              # covered fraction of the leg; 0: no skirt
    held: str | None = None         # ball, bottle, book


PEOPLE = {
    "ava": SamplePerson(
        height=1.66, head=0.150, shoulder=0.100, hip=0.053, leg=0.475, arm=0.325, girth=0.92, limb=0.94, bust=0.8,
        skin=(236, 188, 160), hair=(104, 60, 34), style="ponytail", iris=(70, 110, 70), lips=(196, 92, 92), beard=0.0,
        top=Cloth("stripes", (236, 232, 226), (198, 52, 64), 0.075), sleeve=0.28,
        bottom=Cloth("denim", (48, 74, 128), (36, 56, 104), 0.05), trouser=1.0, shoes=(214, 70, 60),
        room=Room("stripes", ((198, 214, 205), (186, 204, 196)), "boards", ((190, 146, 102), (150, 108, 72)),
                  ((-0.82, 1.52, 0.44, 0.56, (236, 222, 186), (196, 116, 74)),
                   (0.86, 1.46, 0.52, 0.40, (188, 212, 226), (70, 110, 120))), view=2.32, ground=0.925),
    ),
    "ben": SamplePerson(
        height=1.88, head=0.140, shoulder=0.115, hip=0.050, leg=0.490, arm=0.340, girth=1.06, limb=1.06, bust=0.0,
        skin=(134, 88, 60), hair=(28, 22, 20), style="short", iris=(58, 36, 22), lips=(134, 74, 66), beard=0.8,
        top=Cloth("checks", (58, 98, 150), (226, 226, 216), 0.11), sleeve=0.93,
        bottom=Cloth("plain", (176, 152, 112)), trouser=1.0, shoes=(70, 46, 34),
        room=Room("bricks", ((190, 128, 104), (222, 206, 190)), "tiles", ((196, 194, 190), (120, 124, 130)),
                  ((0.98, 1.62, 0.50, 0.66, (240, 214, 120), (60, 60, 96)),), skirting=(96, 88, 84),
                  view=2.62, eye=1.35, distance=4.6, ground=0.94, light=(0.42, 0.72, 0.55)),
    ),
    "cleo": SamplePerson(
        height=1.56, head=0.156, shoulder=0.102, hip=0.060, leg=0.460, arm=0.318, girth=1.22, limb=1.18, bust=1.0,
        skin=(250, 212, 190), hair=(206, 120, 52), style="bob", iris=(70, 120, 170), lips=(206, 84, 96), beard=0.0,
        top=Cloth("dots", (44, 120, 116), (250, 224, 130), 0.085), sleeve=0.10,
        bottom=Cloth("plain", (58, 46, 72)), trouser=0.66, shoes=(240, 238, 232),
        room=Room("panels", ((214, 196, 208), (168, 146, 166)), "carpet", ((134, 120, 150), (98, 86, 116)),
                  ((-0.72, 1.44, 0.40, 0.40, (250, 240, 226), (120, 160, 120)),
                   (0.62, 1.60, 0.34, 0.46, (220, 160, 130), (90, 60, 100))), view=2.26, eye=1.1, ground=0.92),
    ),
}

_SKINS = ((250, 214, 192), (236, 188, 160), (214, 160, 124), (176, 124, 90), (134, 88, 60), (104, 68, 48))
_HAIRS = ((28, 22, 20), (66, 42, 28), (104, 60, 34), (156, 104, 56), (206, 170, 104), (150, 60, 34), (150, 148, 146))
_STYLES = ("short", "ponytail", "bob", "long", "bun", "curly")
_PATTERNS = ("plain", "stripes", "checks", "dots", "print")


def person(name: str) -> SamplePerson:
    """The person of that name. Raises InputError that lists the valid names."""
    if name in PEOPLE:
        return PEOPLE[name]
    if match := re.fullmatch(r"stranger_(\d{1,9})", name):
        return _stranger(int(match[1]))
    raise InputError(f"params.yaml: samples: unknown person `{name}`; expected {', '.join(PEOPLE)} or "
                     "stranger_<number>")


def _stranger(number: int) -> SamplePerson:
    rng = np.random.default_rng([number, 20250])
    between, pick = rng.uniform, lambda options: options[rng.integers(len(options))]
    woman = rng.random() < 0.5
    height = between(1.54, 1.76) if woman else between(1.66, 1.93)
    skin, hair = pick(_SKINS), pick(_HAIRS)
    style = pick(_STYLES) if woman else pick(("short", "short", "curly"))
    lips = tuple(int(0.72 * c) for c in skin[:1]) + tuple(int(0.58 * c) for c in skin[1:])
    return SamplePerson(
        height=height, head=between(0.140, 0.154), shoulder=between(0.095, 0.104) if woman else between(0.106, 0.117),
        hip=between(0.050, 0.059), leg=between(0.462, 0.492), arm=between(0.315, 0.340),
        girth=between(0.9, 1.2), limb=between(0.92, 1.15), bust=between(0.5, 1.0) if woman else 0.0,
        skin=skin, hair=hair, style=style, iris=pick(((70, 110, 70), (58, 36, 22), (70, 120, 170))), lips=lips,
        beard=0.0 if woman else pick((0.0, 0.0, 0.6, 1.0)),
        top=Cloth(pick(_PATTERNS), _vivid(rng), _vivid(rng), between(0.07, 0.12)), sleeve=pick((0.1, 0.28, 0.3, 0.93)),
        bottom=Cloth(pick(("plain", "denim")), _dark(rng), _dark(rng), 0.05), trouser=pick((0.42, 0.7, 1.0, 1.0)),
        shoes=_vivid(rng), room=_room(rng, height),
    )


def _room(rng: np.random.Generator, height: float) -> Room:
    wall, floor = _pale(rng), _vivid(rng, 0.25, 0.7)
    shade = lambda colour, fraction: tuple(int(fraction * c) for c in colour)
    pictures = tuple((side * rng.uniform(0.6, 0.95), rng.uniform(1.4, 1.6), rng.uniform(0.35, 0.55),
                      rng.uniform(0.35, 0.6), _pale(rng), _vivid(rng)) for side in (-1, 1) if rng.random() < 0.75)
    return Room(("plain", "stripes", "bricks", "panels")[rng.integers(4)], (wall, shade(wall, 0.93)),
                ("boards", "carpet", "tiles")[rng.integers(3)], (floor, shade(floor, 0.78)), pictures,
                view=height / rng.uniform(0.69, 0.74), eye=rng.uniform(1.1, 1.4), distance=rng.uniform(4.0, 4.8),
                light=(rng.uniform(-0.45, 0.45), 0.72, 0.56))


def _vivid(rng: np.random.Generator, strength: float = 0.6, value: float = 0.85) -> Colour:
    hue = rng.random() * 6
    raw = np.clip(np.abs((hue + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)
    return tuple(int(c) for c in 255 * value * rng.uniform(0.75, 1) * (1 - strength + strength * raw))


def _pale(rng: np.random.Generator) -> Colour:
    return _vivid(rng, 0.12, 0.92)


def _dark(rng: np.random.Generator) -> Colour:
    return _vivid(rng, 0.35, 0.42)
