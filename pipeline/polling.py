"""Polling intervals and retry delays. The environment variable FAKEMOTION_PACE scales all of them, which makes tests
fast.

Timeouts while waiting for other programs (SERVER_TIMEOUT, --timeout) are not scaled."""

import os

PACE_VARIABLE = "FAKEMOTION_PACE"


def scaled_seconds(length: float) -> float:
    """A time in seconds, scaled by FAKEMOTION_PACE."""
    return length * float(os.environ.get(PACE_VARIABLE, 1))
