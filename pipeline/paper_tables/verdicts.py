"""Decides whether a measured difference between two methods reproduces the paper's.

One training is not enough to judge a method. A verdict requires MIN_SEEDS trainings of both methods, an interval that
includes their variation, and a difference of a minimum size. Only the sign is compared with the paper's."""

MIN_SEEDS = 3  # of both methods
MIN_DIFFERENCE = {"psnr": 0.1, "ssim": 0.002, "tcm": 0.01}  # psnr in dB; the others have no unit
MIN_RELATIVE_DIFFERENCE = {"lpips": 0.02, "fid": 0.02, "is": 0.02}  # relative to our own score
REPRODUCED, NOT_REPRODUCED = "reproduced", "not reproduced"
INCONCLUSIVE, TOO_SMALL = "too close to tell", "too small to count"
PARTLY_REPRODUCED, NO_INTERVAL, NOT_TESTED = f"{REPRODUCED} in part", "no interval", "not tested"


def verdict(metric: str, ours: float, difference: float, low: float | None, high: float | None, paper: list[float],
            trainings: int) -> str | None:
    """The verdict on a difference between `ours` and another method; None if the paper reports none.

    metric: such as psnr. low, high: the interval of the difference. paper: the paper's differences, one per data set.
    trainings: number of seeds that were compared."""
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
    """The smallest difference of a metric that counts."""
    return MIN_DIFFERENCE[metric] if metric in MIN_DIFFERENCE else MIN_RELATIVE_DIFFERENCE[metric] * abs(ours)
