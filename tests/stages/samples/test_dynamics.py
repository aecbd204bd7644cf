import numpy as np
import pytest
from scipy.integrate import solve_ivp

from stages.samples import attachments, dynamics, hard_world, motion, people
from stages.samples.body import Body
from stages.samples.rig import HEAD, NUM_BONES, Skeleton, rotation_x

LENGTH = 0.3


def simulated(frames, rotation, stiffness=0.0, capsule=(9.0, 9, 9, 9, 9, 9, 0.1), chain=1):
    """Directions (T, chain, 3) of links that hang from a static bone at the origin."""
    steps = frames * dynamics.SUBSTEPS
    origins, rotations = np.zeros((steps, 1, 3)), np.tile(np.eye(3), (steps, 1, 1, 1))
    pivots = np.array([(0, 0, 0), (0, -LENGTH, 0)][:chain], float)
    rests, numbers = np.stack([rotation, np.eye(3)][:chain]), np.arange(chain)
    return dynamics._simulate(origins, rotations, numbers, pivots, rests, np.full(chain, LENGTH),
                              np.full(chain, float(stiffness)),
                        np.stack([numbers, numbers], -1), np.zeros(1, int), np.array([capsule], float),
                        1 / (motion.FPS * dynamics.SUBSTEPS), np.array(dynamics.CONTACT_POINTS))


@pytest.mark.parametrize("stiffness", [0.0, 40.0])
def test_a_link_swings_as_a_damped_pendulum_on_a_spring(stiffness):
    found = simulated(50, rotation_x(0.5) if stiffness == 0 else rotation_x(-0.5), stiffness)[:, 0]
    start = np.arctan2(found[0, 2], -found[0, 1])
    rest = start if stiffness else 0.0  # the spring pulls the tip back to its start
    fall = dynamics.GRAVITY / LENGTH
    turning = lambda _, s: (s[1], -fall * np.sin(s[0]) - dynamics.DRAG * s[1] - stiffness * np.sin(s[0] - rest))
    times = (np.arange(len(found)) + 1) / (motion.FPS * dynamics.SUBSTEPS)
    true = solve_ivp(turning, (0, times[-1]), (start, 0.0), t_eval=times, rtol=1e-8).y[0]
    assert np.abs(np.arctan2(found[:, 2], -found[:, 1]) - true).max() < 0.03
    assert np.allclose(np.linalg.norm(found, axis=-1), 1)


def test_links_do_not_enter_the_body():
    capsule = (-1.0, -0.25, 0.03, 1.0, -0.25, 0.03, 0.1)
    free, collided = simulated(50, np.eye(3))[-1, 0], simulated(50, np.eye(3), capsule=capsule)[-1, 0]
    assert np.allclose(free, (0, -1, 0), atol=1e-6)
    for share in dynamics.CONTACT_POINTS:
        assert np.hypot(share * LENGTH * collided[1] + 0.25, share * LENGTH * collided[2] - 0.03) > 0.099


def test_a_chain_stays_connected():
    links = [dynamics.Link(HEAD, np.array([0, 0.1, -0.1]), rotation_x(0.3), 0.2, 20.0),
             dynamics.Link(NUM_BONES, np.array([0, -0.2, 0]), np.eye(3), 0.1, 5.0)]
    bones, done = Skeleton.from_person(people.person("ava")), motion.perform(("turn", "dance"), 1, 2.0)
    moments = np.arange(50) + 0.3
    ways = dynamics.simulate(links, [dynamics.Capsule(HEAD, (0, 0, 0), (0, 0.1, 0), 0.05)], bones, done, moments)
    origins, turns = dynamics.attach(links, ways, *bones.forward_kinematics(motion.interpolate(done, moments)))
    assert origins.shape[1] == NUM_BONES + 2
    assert np.allclose(origins[:, -1], origins[:, -2] + 0.2 * ways[:, 0])
    assert np.allclose(-turns[:, -2:, :, 1], ways)
    assert np.allclose(turns[:, -2:] @ np.swapaxes(turns[:, -2:], -1, -2), np.eye(3), atol=1e-9)
    assert np.ptp(ways[:, 1], axis=0).max() > 0.2  # it swings


def test_skirt_and_hair_do_not_enter_legs_and_head():
    who = hard_world.person("stranger_302")
    assert who.skirt and who.style == "long"
    body, done = Body(who), motion.perform(("kick", "squat"), 2, 4.0)
    capsules, links = attachments.collision_capsules(body.rest_body), body.rest_body.links
    ways = dynamics.simulate(links, capsules, body.skeleton, done, np.arange(100.0))
    origins, turns = dynamics.attach(links, ways, *body.skeleton.forward_kinematics(done))
    tips = origins[:, NUM_BONES:] + ways * np.array([link.length for link in links])[:, None]  # (T, links, 3)
    inside = []
    for capsule in capsules:
        start, end = (origins[:, capsule.bone] + np.einsum("tij,j->ti", turns[:, capsule.bone], at)
                      for at in (capsule.start, capsule.end))
        along = (end - start)[:, None]
        share = np.clip(((tips - start[:, None]) * along).sum(-1) / (along**2).sum(-1), 0, 1)[..., None]
        inside.append(capsule.radius - np.linalg.norm(tips - start[:, None] - share * along, axis=-1))
    assert np.percentile(np.max(inside, axis=0), 99) < 0.015  # metres
