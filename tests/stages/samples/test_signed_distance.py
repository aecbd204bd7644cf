import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from stages import samples
from stages.samples.signed_distance import distance, normal, sphere_trace


def field(*shapes, blend=0.0, group=0):
    """Primitives from (centre, scale, length, first radius, last radius), upright, in one group or one each."""
    rows = [np.r_[np.diag(1 / np.array(scale, float)).ravel(), centre, length, first, last,
                  1 / np.array(scale, float) ** 2]
            for centre, scale, length, first, last in shapes]
    labels = np.zeros((len(rows), 5), int)
    labels[:, 0] = np.arange(len(rows)) * group
    return np.array(rows), np.full(len(rows), blend), labels, np.arange(len(rows)).astype(np.int32), len(rows)


SPHERE = ((0.1, 0.2, 0.3), (0.25, 0.25, 0.25), 0.0, 1.0, 1.0)
CAPSULE = ((0, -0.5, 0), (1, 1, 1), 1.0, 0.2, 0.2)
EGG = ((0, 0, 0), (0.1, 0.2, 0.15), 0.0, 1.0, 1.0)


def test_spheres_and_capsules_are_exact():
    points = np.random.default_rng(0).uniform(-1, 1, (200, 3))
    for point in points:
        ball = np.linalg.norm(point - SPHERE[0]) - 0.25
        pill = np.linalg.norm(point - [0, np.clip(point[1], -0.5, 0.5), 0]) - 0.2
        assert distance(*point, *field(SPHERE))[0] == pytest.approx(ball, abs=1e-6)
        assert distance(*point, *field(CAPSULE))[0] == pytest.approx(pill, abs=1e-6)
        both = distance(*point, *field(SPHERE, CAPSULE, group=1))
        assert both == (pytest.approx(min(ball, pill), abs=1e-6), int(pill < ball))


def test_ellipsoids_are_accurate_near_the_surface():
    rng = np.random.default_rng(1)
    for _ in range(50):
        way = rng.normal(size=3)
        on = np.array(EGG[1]) * way / np.linalg.norm(way)
        outwards = on / np.array(EGG[1]) ** 2
        outwards /= np.linalg.norm(outwards)
        for off in (-0.004, 0.004):
            assert distance(*(on + off * outwards), *field(EGG))[0] == pytest.approx(off, rel=0.1)
        assert np.allclose(normal(*on, *field(EGG)), outwards, atol=1e-3)


def test_normal_is_the_gradient_of_the_blended_distance():
    scene = field(SPHERE, CAPSULE, EGG, blend=0.15)
    for point in np.random.default_rng(2).uniform(-0.4, 0.5, (100, 3)):
        if abs(distance(*point, *scene)[0]) > 0.03:
            continue
        steps = 1e-5 * np.eye(3)
        slope = np.array([distance(*(point + s), *scene)[0] - distance(*(point - s), *scene)[0] for s in steps])
        assert np.dot(normal(*point, *scene), slope / np.linalg.norm(slope)) > 0.97


def test_blending_only_adds_and_only_within_a_group():
    between = (0.25, 0.45, 0.25)
    separate, touching, blended = (distance(*between, *field(SPHERE, CAPSULE, blend=blend, group=group))[0]
                               for blend, group in ((0.0, 0), (0.15, 1), (0.15, 0)))
    assert blended < separate == touching


@pytest.mark.parametrize("aside,hits", [(0.0, True), (0.249, True), (0.251, False)])
def test_rays_hit_the_sphere(aside, hits):
    t, what, closest = sphere_trace(0.1 + aside, 0.2, 3.3, 0.0, 0.0, -1.0, 1.0, 5.0, *field(SPHERE))
    assert (what == 0) == hits
    if hits:
        assert t == pytest.approx(3 - np.sqrt(0.25**2 - aside**2), abs=0.003 if aside < 0.2 else 0.03)
    else:
        assert abs(t - 3) < 0.2 and closest * 3 == pytest.approx(0.001, abs=0.0005)


@pytest.mark.parametrize("chosen", [True, False])
def test_the_cache_of_compiled_code_follows_the_environment(tmp_path, chosen):
    """In NUMBA_CACHE_DIR if set, else in the package's __pycache__; in a folder named after the code's hash."""
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    code = "import numba; from stages.samples import signed_distance; print(numba.config.CACHE_DIR)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          env=environment | ({"NUMBA_CACHE_DIR": str(tmp_path)} if chosen else {}))
    place = Path(done.stdout.strip())
    assert place.parent == (tmp_path if chosen else Path(samples.__file__).parent / "__pycache__")
    assert place.name.startswith("numba-")
