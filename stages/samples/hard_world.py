"""The hard world: the same people and motions under the conditions of typical home videos.

- The lamp stands to one side and a wall close behind the person, so that a soft shadow moves next to the person, with
  contact shadows at the feet.
- There is motion blur, and the file has the bit rate of a phone's video.
- Hair and clothes are simulated. Some people wear a skirt, some dark clothes in a dark corner, some hold an object.
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

WALL_DISTANCE = 0.85       # metres from the person to the wall
EXPOSURE = 0.6             # fraction of the frame interval that the shutter is open: 1/42 s
MAX_STEP_PIXELS = 1.5      # that the fastest bone moves between two subframes of an exposure, ...
MAX_SUBFRAMES = 15         # ... unless that needs more subframes than this
CRF = 23                   # quality of H.264
MAX_BITS_PER_PIXEL = 0.27  # per frame; a phone's 1920 x 1080 at 30 frames/s and 17 Mbit/s


def person(name: str) -> SamplePerson:
    """The person of that name in the hard world. Clothes and held object are drawn at random, seeded with the name."""
    actor, rng = people.person(name), np.random.default_rng([*name.encode(), 18])
    woman, short = actor.bust > 0, actor.style in ("short", "bun", "curly")
    skirted, dark, holds = rng.random(3) < (0.6, 0.3, 0.4)
    style, length = ("long", "ponytail")[rng.integers(2)], (0.38, 0.55)[rng.integers(2)]
    thing, black = ("ball", "bottle", "book")[rng.integers(3)], rng.uniform(20, 60, (2, 3)).astype(int).tolist()
    side = 1 if actor.room.light[0] > 0 else -1
    actor = replace(actor, dynamic=True, style=style if woman and short else actor.style, held=thing if holds else None,
                    room=replace(actor.room, depth=WALL_DISTANCE, light=(0.40 * side, 0.34, 0.85),
                                 dimming=0.75 if dark else 0.0))
    if woman and skirted:
        actor = replace(actor, skirt=length, trouser=0.1)
    if dark:
        actor = replace(actor, top=Cloth("plain", tuple(black[0])), bottom=Cloth("plain", tuple(black[1])))
    return actor


def exposures(body: Body, performed: Motion, camera: Camera) -> Iterator[list[PosedBody]]:
    """For every frame, the posed bodies of its subframes: times spread evenly over the exposure around the frame's own
    time, an odd number of them, more where the body moves fast."""
    frames = np.arange(len(performed))
    start, end = [camera.project(body.skeleton.forward_kinematics(motion.interpolate(performed, frames + offset))[0])
                  for offset in (-EXPOSURE / 2, EXPOSURE / 2)]
    distance = np.linalg.norm(end - start, axis=-1).max(-1)  # (T,) pixels
    counts = 2 * np.clip(np.ceil((distance / MAX_STEP_PIXELS - 1) / 2), 0, MAX_SUBFRAMES // 2).astype(int) + 1
    times = [t + EXPOSURE * ((np.arange(n) + 0.5) / n - 0.5) for t, n in zip(frames, counts)]
    times = np.concatenate(times)
    directions = dynamics.simulate(body.rest_body.links, attachments.collision_capsules(body.rest_body), body.skeleton,
                                   performed, times)
    posed = iter(body.pose(motion.interpolate(performed, times), directions))
    for count in counts:
        yield list(islice(posed, count))
