"""python -m tests.benchmarks.rendering: frames a second of the rendered people; exits non-zero below FLOOR."""

import sys
import time

from stages import samples

FLOOR = 8.0  # frames/s at 256 x 256 on two cores
MOTIONS = ("turn", "wave", "squat", "kick", "dance")


def main() -> int:
    list(samples.frames("ava", MOTIONS, 1, 0.04, 256))  # compiles
    started = time.perf_counter()
    count = sum(1 for _ in samples.frames("ava", MOTIONS, 1, 10.0, 256))
    rate = count / (time.perf_counter() - started)
    print(f"rendering: {rate:.1f} frames/s at 256 x 256 ({count} frames, anti-aliased); at least {FLOOR:.0f} wanted")
    return 0 if rate >= FLOOR else 1


if __name__ == "__main__":
    sys.exit(main())
