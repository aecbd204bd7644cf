"""How long is waited between two looks, and between two attempts: every such time of ours is given here, and FAKEMOTION_PACE
in the environment scales them all. Tests set it; patience with others (PATIENCE, --timeout) is not scaled."""

import os

PACE_VARIABLE = "FAKEMOTION_PACE"


def scaled_seconds(length: float) -> float:
    return length * float(os.environ.get(PACE_VARIABLE, 1))
