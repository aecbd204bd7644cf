"""The search for the number of threads that makes a step shortest."""

import math
from collections import deque
from statistics import median

TRIAL = 3        # steps at least, in whole rounds
REACH = 1 / 4, 1 / 2, 3 / 8, 1 / 8  # shares of the threads, by which trials differ in turn: the next may be no better
WON = 0.95       # share of the usual time in which a trial must be done
LOST = 1.3       # of the usual time: a trial that takes longer is ended
SLOW = 2.0       # of the usual time: such a step where others take a processor, or two in a row, and a trial begins
WAIT = 1.0, 10.0  # seconds of steps from a lost trial to the next: at first, doubled each time, and at last
COST = 0.03      # share of the time that lost trials may take
LATELY = 0.3     # seconds over which the room is seen
BLIND = 180.0    # seconds of steps after which more are tried without room: the other program may give way


class Trials:
    """Every now and then, and as soon as steps become slow, a few steps are taken with fewer or more threads: with more
    only where other programs leave room for them, since one step with a thread too many can take as long as forty."""

    def __init__(self, most: int, period: int = 1, fixed: bool = False, first: int | None = None):
        self.count = self._settled = first or most  # of the next step; and while no other is tried
        self._most, self._period = most, period
        self._fixed = fixed or most == 1
        self._usual = [deque(maxlen=3) for _ in range(period)]  # seconds of the last steps, by their place in a round
        self._blind = BLIND  # when more are tried without room
        self._room = None  # processors that other programs left of late
        self._slow, self._tried = [], []  # of steps in a row, over the usual; (place, seconds) of the trial's steps
        self._step, self._now, self._next, self._wait, self._by, self._lost = 0, 0.0, 0.0, WAIT[0], -1, 0

    def note(self, seconds: float, room: float | None = None) -> None:
        """A step with `count` threads took so long; other programs left so many processors meanwhile."""
        place, self._now = self._step % self._period, self._now + seconds
        self._step += 1
        if room is not None:
            before = room if self._room is None else self._room
            self._room = before + min(1, seconds / LATELY) * (room - before)
        if self._fixed or self._step <= self._period:  # the first round warms up
            return
        if self.count == self._settled:
            self._watch(place, seconds)
        else:
            self._tried.append((place, seconds))
            self._judge()

    def rest(self, seconds: float, room: float | None) -> int:
        """With so many threads goes on what is left of a step that has taken so long, in which others left so many
        processors: fewer where it is slow already for want of them."""
        usual = self._usual[self._step % self._period]
        if self._fixed or not usual or seconds < SLOW * median(usual):
            return self.count
        return min(self.count, self._roomy(room))

    def _roomy(self, room: float | None) -> int:
        """As many threads as there is room for."""
        return self._most if room is None else min(max(1, math.floor(room + 0.5)), self._most)

    def _watch(self, place: int, seconds: float) -> None:
        usual = [median(times) if times else None for times in self._usual]
        self._usual[place].append(seconds)
        if None in usual:
            return
        self._slow = [*self._slow, seconds / usual[place]] if seconds > SLOW * usual[place] else []
        roomy = self._roomy(self._room)
        others = roomy < self._settled
        if self._slow and (others or len(self._slow) == 2) and self._settled > 1:  # all steps take longer now
            for times, one in zip(self._usual, usual):
                times.clear()
                times.append(one * sum(self._slow) / len(self._slow))
            self._begin(-1, roomy if others else None)
        elif self._now >= self._next:
            self._begin(self._by)

    def _begin(self, by: int, count: int | None = None) -> None:
        """A trial with so many, or with fewer (-1) or more (1), or the other way where there are none."""
        self._by = by if 1 <= self._settled + by <= self._most else -by
        reach = max(1, round(REACH[self._lost // 2 % len(REACH)] * self._settled))  # to either side
        self.count = count or min(max(1, self._settled + self._by * reach), self._most)
        self._slow, self._tried = [], []
        if self._by > 0 and self._now < self._blind:
            self.count = max(self._settled, min(self.count, self._roomy(self._room)))
        if self.count == self._settled:
            self._by = -self._by

    def _judge(self) -> None:
        usual = sum(median(self._usual[place]) for place, _ in self._tried)
        spent = sum(seconds for _, seconds in self._tried)
        rounds = math.ceil(TRIAL / self._period)
        if spent < LOST * usual and len(self._tried) < rounds * self._period:
            return
        if spent < WON * usual:
            self._settled, self._wait, self._lost = self.count, WAIT[0], 0
            self._blind = self._now + BLIND
            for times in self._usual:
                times.clear()
            for place, seconds in self._tried:
                self._usual[place].append(seconds)
            further = 1 <= self._settled + self._by <= self._most
            self._next = self._now + (0 if further else self._wait)
        else:
            self.count, self._by, self._lost = self._settled, -self._by, self._lost + 1
            self._next = self._now + max(self._wait, (spent - usual) / COST)
            self._blind = self._next + BLIND
            self._wait = min(2 * self._wait, WAIT[1])
