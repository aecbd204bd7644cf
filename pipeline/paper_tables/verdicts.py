"""Whether a difference that was measured is the paper's, and large and sure enough to say so.

One training proves nothing about a method: a verdict needs SEEDS of both, whose spread is in the interval, and a
difference of at least the least effect. Only the sign is compared with the paper's.
"""

MIN_SEEDS = 3  # trainings of either method at least
MIN_DIFFERENCE = {"psnr": 0.1, "ssim": 0.002, "tcm": 0.01}  # dB; the others have no unit
MIN_RELATIVE_DIFFERENCE = {"lpips": 0.02, "fid": 0.02, "is": 0.02}  # of our own score
REPRODUCED, NOT_REPRODUCED, INCONCLUSIVE, TOO_SMALL = "reproduced", "not reproduced", "too close to tell", "too small to count"
PARTLY_REPRODUCED, NO_INTERVAL, NOT_TESTED = f"{REPRODUCED} in part", "no interval", "not tested"


def verdict(metric: str, ours: float, difference: float, low: float | None, high: float | None, paper: list[float],
            trainings: int) -> str | None:
    """On a difference of `ours` from another method and the ends of its interval; None where the paper has none.
    metric: such as psnr. paper: its differences. trainings: pairs of seeds that were compared."""
    if not paper:
        return None
    if trainings < MIN_SEEDS:
        return f"{NOT_TESTED}: {'one training' if trainings == 1 else f'{trainings} trainings'}"
    if low is None:
        return NO_INTERVAL
    if low <= 0 <= high:
        return INCONCLUSIVE
    if abs(difference) < min_difference(metric, ours):
        return TOO_SMALL
    same = [difference * one > 0 for one in paper]
    return REPRODUCED if all(same) else PARTLY_REPRODUCED if any(same) else NOT_REPRODUCED


def min_difference(metric: str, ours: float) -> float:
    """The smallest difference that counts."""
    return MIN_DIFFERENCE[metric] if metric in MIN_DIFFERENCE else MIN_RELATIVE_DIFFERENCE[metric] * abs(ours)
