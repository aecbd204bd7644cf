"""Speed of rendering people: python -m tests.benchmarks.rendering. Exits with 1 if it is below FLOORS."""

import sys
import time

from stages import samples

FLOORS = {"plain": 8.0, "hard": 3.0}  # frames/s at 256 x 256 on two cores
MOTIONS = ("turn", "wave", "squat", "kick", "dance")


def main() -> int:
    rates = {}
    for world, floor in FLOORS.items():
        list(samples.frames("ava", MOTIONS, 1, 0.04, 256, world))  # compiles
        started = time.perf_counter()
        count = sum(1 for _ in samples.frames("ava", MOTIONS, 1, 10.0, 256, world))
        rates[world] = count / (time.perf_counter() - started)
        print(f"rendering, {world} world: {rates[world]:.1f} frames/s at 256 x 256 ({count} frames, anti-aliased); "
              f"goal: {floor:.0f}")
    return 0 if all(rate >= FLOORS[world] for world, rate in rates.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
