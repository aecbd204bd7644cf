"""Charts of poses with known points."""

import numpy as np
import pytest

from stages.learning.charts import CHARTS, chart_groups, chart_segments
from stages.pose.skeleton import L_HIP, NECK, Pose, R_ELBOW, R_HIP, R_SHOULDER, R_WRIST

NAMES = [chart.name for chart in CHARTS]


def pose(**points: tuple[float, float]) -> Pose:
    """A pose with these points known, by set and number: body_1=(x, y)."""
    found = Pose.unknown(1)
    for name, xy in points.items():
        part, number = name.rsplit("_", 1)
        getattr(found, part)[0, int(number)] = *xy, 1.0
    return found


def test_the_trunk_lies_between_the_middle_of_the_hips_and_the_neck():
    found = chart_segments(pose(**{f"body_{R_HIP}": (40, 80), f"body_{L_HIP}": (60, 80), f"body_{NECK}": (50, 30)}))
    assert found.shape == (1, len(CHARTS), 7) and found.dtype == np.float32
    assert found[0, NAMES.index("trunk")] == pytest.approx([50, 80, 50, 30, 0.35 * 50, 0, 0])


def test_a_limb_with_an_unknown_end_has_no_width():
    found = chart_segments(pose(**{f"body_{R_SHOULDER}": (40, 40), f"body_{R_ELBOW}": (20, 60)}))[0]
    known = {name for name, segment in zip(NAMES, found) if segment[4]}
    assert known == {"right_upper_arm"} and np.isfinite(found).all()


def test_an_unknown_hand_continues_its_forearm():
    arm = pose(**{f"body_{R_ELBOW}": (40, 70), f"body_{R_WRIST}": (40, 90)})
    found = dict(zip(NAMES, chart_segments(arm)[0]))
    assert found["right_palm"][:4] == pytest.approx([40, 90, 40, 97]) and found["right_palm"][4] > 0
    assert found["right_fingers"][:4] == pytest.approx([40, 97, 40, 104.4]) and found["right_thumb"][4] == 0
    arm.right_hand[0] = [60, 60, 1]
    known = dict(zip(NAMES, chart_segments(arm)[0]))
    assert known["right_palm"][:2].tolist() == [60, 60] and known["right_thumb"][4] > 0


def test_widths_do_not_shrink_with_a_limb_that_points_to_the_camera():
    arms = [pose(**{f"body_{R_SHOULDER}": (40, 40), f"body_{R_ELBOW}": (40, 70), f"body_{R_WRIST}": wrist})
            for wrist in ((40, 95), (40, 72))]
    long, short = chart_segments(Pose.concatenate(arms))[:, NAMES.index("right_forearm")]
    assert long[4] == short[4] > 0


def test_the_head_reaches_beyond_the_ears():
    found = chart_segments(pose(**{f"body_{NECK}": (50, 50), "body_16": (45, 30), "body_17": (55, 30)}))
    assert found[0, NAMES.index("head"), :4] == pytest.approx([50, 50, 50, 30 - 0.7 * 20])


def test_a_limb_is_in_front_by_the_mean_depth_of_its_joints():
    """Unknown depths say nothing, and nothing is said about the trunk."""
    poses = Pose.unknown(4)
    poses.depth[0, [R_ELBOW, R_WRIST]] = -0.1, -0.7
    poses.depth[1, [R_ELBOW, R_WRIST]] = 0.1, 0.7
    poses.depth[2, R_WRIST] = -0.7
    found = chart_segments(poses)[..., 6]
    forearm, palm = (NAMES.index(f"right_{name}") for name in ("forearm", "palm"))
    assert 0.8 < found[0, forearm] < found[0, palm] < 1 and found[0, forearm] == -found[1, forearm]
    assert found[2, forearm] == 0 < found[2, palm] and not found[3].any() and not found[:, NAMES.index("trunk")].any()


def test_charts_of_connected_limbs_are_a_group():
    groups = {}
    for chart, number in zip(CHARTS, chart_groups()):
        groups.setdefault(int(number), set()).add(chart.name)
    assert {"head", "face"} in groups.values() and {"trunk"} in groups.values() and len(groups) == 6
    assert {f"left_{name}" for name in ("upper_arm", "forearm", "palm", "fingers", "thumb")} in groups.values()
