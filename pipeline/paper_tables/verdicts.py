"""Whether a difference that was measured is the paper's, and large and sure enough to say so.

One training proves nothing about a method: a verdict needs SEEDS of both, whose spread is in the interval, and a
difference of at least the least effect. Only the sign is compared with the paper's.
"""

SEEDS = 3  # trainings of either method at least
LEAST = {"psnr": 0.1, "ssim": 0.002, "tcm": 0.01}  # dB; the others have no unit
LEAST_SHARE = {"lpips": 0.02, "fid": 0.02, "is": 0.02}  # of our own score
REPRODUCED, NOT, CLOSE, SMALL = "reproduced", "not reproduced", "too close to tell", "too small to count"
IN_PART, BLIND, UNTESTED = f"{REPRODUCED} in part", "no interval", "not tested"


def verdict(metric: str, ours: float, difference: float, low: float | None, high: float | None, paper: list[float],
            trainings: int) -> str | None:
    """On a difference of `ours` from another method and the ends of its interval; None where the paper has none.
    metric: such as psnr. paper: its differences. trainings: pairs of seeds that were compared."""
    if not paper:
        return None
    if trainings < SEEDS:
        return f"{UNTESTED}: {'one training' if trainings == 1 else f'{trainings} trainings'}"
    if low is None:
        return BLIND
    if low <= 0 <= high:
        return CLOSE
    if abs(difference) < least(metric, ours):
        return SMALL
    same = [difference * one > 0 for one in paper]
    return REPRODUCED if all(same) else IN_PART if any(same) else NOT


def least(metric: str, ours: float) -> float:
    """The smallest difference that counts."""
    return LEAST[metric] if metric in LEAST else LEAST_SHARE[metric] * abs(ours)
