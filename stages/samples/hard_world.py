"""A world that is as hard as a real one: the same people and motions, filmed as most people film.

The lamp stands to one side and a wall close behind, so that a soft shadow moves beside the person, and where the feet
touch the floor it is dark. The camera's shutter is open while the person moves, and the file is as small as a phone's.
Hair and cloth hang loose; some wear a skirt, some stand in dark clothes in a dark corner, some hold a thing.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import numpy as np

from stages.samples import attachments, dynamics, motion, people
from stages.samples.body import Body, PosedBody
from stages.samples.motion import Motion
from stages.samples.people import Cloth, SamplePerson
from stages.samples.scene import Camera

WALL_DISTANCE = 0.85      # metres from the spot to the wall
EXPOSURE = 0.6   # of the time from one frame to the next: 1/42 s
MAX_STEP_PIXELS = 1.5       # pixels that the fastest bone moves at most from one moment of an exposure to the next,
MAX_SUBFRAMES = 15     # unless that takes more moments than these
CRF = 23
MAX_BITS_PER_PIXEL = 0.27      # a pixel and frame at most, as in a phone's 1920 x 1080 at 30 frames/s and 17 Mbit/s


def person(name: str) -> SamplePerson:
    """The person of that name in this world. What they wear and hold is drawn from the name."""
    who, rng = people.person(name), np.random.default_rng([*name.encode(), 18])
    woman, short = who.bust > 0, who.style in ("short", "bun", "curly")
    skirted, dark, holds = rng.random(3) < (0.6, 0.3, 0.4)
    style, length = ("long", "ponytail")[rng.integers(2)], (0.38, 0.55)[rng.integers(2)]
    thing, black = ("ball", "bottle", "book")[rng.integers(3)], rng.uniform(20, 60, (2, 3)).astype(int).tolist()
    side = 1 if who.room.light[0] > 0 else -1
    who = replace(who, dynamic=True, style=style if woman and short else who.style, held=thing if holds else None,
                  room=replace(who.room, depth=WALL_DISTANCE, light=(0.40 * side, 0.34, 0.85), gloom=0.75 if dark else 0.0))
    if woman and skirted:
        who = replace(who, skirt=length, trouser=0.1)
    if dark:
        who = replace(who, top=Cloth("plain", tuple(black[0])), bottom=Cloth("plain", tuple(black[1])))
    return who


def exposures(body: Body, performed: Motion, camera: Camera) -> Iterator[list[PosedBody]]:
    """For every frame the body at moments spread evenly over its exposure, the frame's own in the middle; more of them
    where it moves fast."""
    frames = np.arange(len(performed))
    ends = [camera.project(body.skeleton.forward_kinematics(motion.interpolate(performed, frames + off))[0])
            for off in (-EXPOSURE / 2, EXPOSURE / 2)]
    way = np.linalg.norm(ends[1] - ends[0], axis=-1).max(-1)  # (T,) pixels
    counts = 2 * np.clip(np.ceil((way / MAX_STEP_PIXELS - 1) / 2), 0, MAX_SUBFRAMES // 2).astype(int) + 1
    moments = [t + EXPOSURE * ((np.arange(n) + 0.5) / n - 0.5) for t, n in zip(frames, counts)]
    moments = np.concatenate(moments)
    ways = dynamics.simulate(body.rest_body.links, attachments.collision_capsules(body.rest_body), body.skeleton, performed, moments)
    posed = iter(body.pose(motion.interpolate(performed, moments), ways))
    for count in counts:
        yield list(islice(posed, count))
