"""Who is who over time: people seen in single looks are linked into tracks, and one of them is chosen.

From look to look a person is known by where they must have got to (overlap with the predicted box) and by their
clothes, matched by the Hungarian method. While two hide each other their clothes decide, and are not learnt. Who
leaves and comes back is known by the clothes alone. Boxes are left, top, right, bottom in pixels of the looks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from stages.tracking.boxes import Person, body_overlap, box_centre, box_height, inside_frame, iou
from stages.tracking.clothes import Clothes
from stages.tracking.track import HELD, LOST, Track, choose_track

__all__ = ["Track", "Tracker", "choose_track"]

OTHER = 0.5        # likeness of clothes below which it is somebody else
SAME = 0.72        # and above which it is the same person who has come back
CLEARLY = 0.2      # by which one person's clothes must be more like than another's, to tell them apart
CLOTHES = 2.0      # weight of the clothes beside that of the overlap
REACH = 0.15, 1.5  # heights, and heights a second, that somebody gets away from where they were expected
CLOSE = 0.25       # share of the smaller box, above which two people are close to each other
HIDING = 0.4       # likewise, above which one hides the other
ASIDE = -0.1, -0.05, 0.0, 0.05, 0.1  # heights from there, at which the clothes of who is not found are looked for
DOUBLE = 0.7       # likewise, above which two boxes are of one person
AHEAD = 0.6        # seconds that somebody who is not seen goes on as before
PAINTED = 0.15     # heights to both sides of a person's middle
PACE = 0.9         # seconds over which their speed is measured
LEAST = 3          # looks of somebody; what is seen less often is none


@dataclass
class _Live:
    """A track that grows."""

    fps: float
    index: list[int]
    places: list[np.ndarray]
    clear: list[bool]          # nobody else was close
    clothes: Clothes           # the mean of the looks in which nobody was close
    latest: Clothes
    hidden: list[int] = field(default_factory=list)
    at: np.ndarray = field(init=False)     # the box, less noisy than that of the last look
    speed: np.ndarray = field(init=False)  # pixels a frame

    def __post_init__(self):
        self.at, self.speed, self._ahead = self.places[0], np.zeros(2), AHEAD * self.fps
        self._way = [(self.index[0], *box_centre(self.at))]

    def expected(self, frame: int) -> np.ndarray:
        return self.at + np.tile(self.speed, 2) * min(frame - self.index[-1], self._ahead)

    def likeness(self, clothes: Clothes) -> float:
        return max(self.clothes.likeness(clothes), self.latest.likeness(clothes))

    def gone(self, frame: int) -> bool:
        return frame - max(self.index[-1:] + self.hidden[-1:]) > LOST * self.fps

    def add(self, frame: int, box: np.ndarray, clear: bool, clothes: Clothes | None) -> None:
        """`clear`: nobody else is close, else the box is not to be trusted much; `clothes`: None where unsure."""
        guess = self.expected(frame)
        self.at = guess + (0.8 if clear else 0.5) * (box - guess)
        self.index.append(frame)
        self.places.append(box)
        self.clear.append(clear)
        if clothes:
            self.clothes, self.latest = self.clothes.with_look(clothes), clothes
        if clear:
            self._way = [seen for seen in self._way if frame - seen[0] < PACE * self.fps] + [(frame, *box_centre(box))]
            time, *way = np.array(self._way).T
            off = time - time.mean()
            self.speed = (off * way).sum(1) / max((off**2).sum(), 1e-9)


class Tracker:
    """Takes one look after the other and keeps a box a person of each; pictures are not kept.

    Of two who are close, a detector may find one. Given `detect`, which lists the people of each picture, the tracker
    paints that one grey and detects again."""

    def __init__(self, fps: float, detect: Callable[[Sequence[np.ndarray]], list[list[Person]]] | None = None):
        self._fps, self._detect, self._all, self._live, self._frame = fps, detect, [], [], 0

    @property
    def company(self) -> bool:
        """Whether two people were in view a moment ago."""
        return len(self._live) > 1

    @property
    def crowded(self) -> bool:
        """Whether two people are, or will soon be, so close that it is worth looking oftener."""
        soon = self._frame + HELD * self._fps
        return any(body_overlap(a.expected(frame), b.expected(frame)) > CLOSE
                   for frame in (self._frame, soon) for n, a in enumerate(self._live) for b in self._live[:n])

    def add(self, index: int, picture: np.ndarray, people: Sequence[Person]) -> None:
        """What was found in the look at frame `index`, of which the picture is; frames ascend."""
        self._frame = index
        self._live = [track for track in self._live if not track.gone(index)]
        boxes = [np.array(person.box, float) for person in people]
        clothes = [Clothes.of(picture, box) for box in boxes]
        expected = [track.expected(index) for track in self._live]
        chosen, doubtful, unsure = self._match(index, expected, boxes, clothes)
        if self._detect and chosen and len(chosen) < len(expected):
            beside = self._beside(picture, [boxes[which] for which in chosen.values()])
            more = boxes + beside, clothes + [Clothes.of(picture, box) for box in beside]
            again = self._match(index, expected, *more)
            if len(again[0]) > len(chosen):
                (chosen, doubtful, unsure), (boxes, clothes) = again, more
        missed = [n for n in range(len(expected)) if n not in chosen]
        around = boxes + [expected[n] for n in missed]
        clear = [inside_frame(box, picture) and all(body_overlap(box, other) < CLOSE for i, other in enumerate(around) if i != which)
                 for which, box in enumerate(boxes)]
        for n, which in chosen.items():
            track, worn = self._live[n], clothes[which]
            others = max((other.likeness(worn) for other in self._live if other is not track), default=0.0)
            sure = clear[which] and track.likeness(worn) > others + CLEARLY
            track.add(index, boxes[which], clear[which], worn if sure else None)
        for n in missed:
            if n in unsure or self._behind(n, expected, picture):
                self._live[n].hidden.append(index)
        for which in set(range(len(people))) - set(chosen.values()) - doubtful:
            if not (any(body_overlap(boxes[which], box) > DOUBLE for i, box in enumerate(boxes) if i != which)
                    or any(body_overlap(boxes[which], box) > HIDING for box in expected)):
                worn = replace(clothes[which], looks=int(clear[which]))
                self._live.append(_Live(self._fps, [index], [boxes[which]], [clear[which]], worn, worn))
                self._all.append(self._live[-1])

    def tracks(self) -> list[Track]:
        """Everyone, the heaviest first. Tracks of who came back are joined, those most alike first."""
        found = [Track(np.array(track.index), np.array(track.places), np.array(track.clear),
                       np.array(track.hidden, int), track.clothes, self._fps) for track in self._all]
        while pairs := [(likeness, a, b) for b, one in enumerate(found) for a, other in enumerate(found[:b])
                        if (likeness := one.clothes.likeness(other.clothes)) > SAME and one.in_reach_of(other)]:
            _, a, b = max(pairs)
            found[a] = found[a].joined(found.pop(b))
        least = min(LEAST, max((len(track.index) for track in found), default=0))
        return sorted((track for track in found if len(track.index) >= least), key=lambda track: -track.weight)

    def _match(self, frame: int, expected: list[np.ndarray], boxes: list[np.ndarray],
               clothes: list[Clothes]) -> tuple[dict[int, int], set[int], set[int]]:
        """Who of the live tracks is whom of those found; which of those found may as well be another, and whose that
        leaves open."""
        if not expected or not boxes:
            return {}, set(), set()
        likeness = np.array([[track.likeness(worn) for worn in clothes] for track in self._live])
        near = np.array([[body_overlap(box, place) > CLOSE for box in boxes] for place in expected])
        rivals = np.where(near, likeness, 0).max(0)  # how well the best of those who may stand there fits
        least = np.where(near.sum(0) > 1, SAME, OTHER)  # a box that holds two people is of neither
        costs = np.full(likeness.shape, np.inf)
        for n, (track, place) in enumerate(zip(self._live, expected)):
            reach = REACH[0] + REACH[1] * (frame - track.index[-1]) / self._fps
            for m, box in enumerate(boxes):
                tall, taller = sorted((box_height(place), box_height(box)))
                if (np.linalg.norm(box_centre(box) - box_centre(place)) < reach * tall and taller < 2 * tall
                        and likeness[n, m] >= max(least[m], rivals[m] - CLEARLY)):
                    costs[n, m] = 1 - iou(place, box) + CLOTHES * (1 - likeness[n, m])
        never = 1e3
        rows, columns = linear_sum_assignment(np.minimum(costs, never))
        chosen = {int(n): int(m) for n, m in zip(rows, columns) if costs[n, m] < never}
        lacking = [k for k, track in enumerate(self._live) if k not in chosen and len(track.index) >= LEAST]
        doubts = {(n, k, m) for n, m in chosen.items() for k in lacking if costs[k, m] < never and
                  likeness[k, m] > likeness[n, m] - CLEARLY * (body_overlap(expected[k], boxes[m]) > HIDING)}
        doubtful = {m for _, _, m in doubts}
        chosen = {n: m for n, m in chosen.items() if m not in doubtful}
        return chosen, doubtful, {who for n, k, _ in doubts for who in (n, k)}

    def _beside(self, picture: np.ndarray, boxes: list[np.ndarray]) -> list[np.ndarray]:
        """Who is found where those in the boxes are painted over."""
        painted = picture.copy()
        for box in boxes:
            x, half = box_centre(box)[0], PAINTED * box_height(box)
            left, top, right, bottom = np.maximum((x - half, box[1], x + half, box[3]), 0).astype(int)
            painted[top:bottom, left:right] = 128
        found, = self._detect([painted])
        return [np.array(person.box, float) for person in found]

    def _behind(self, who: int, expected: list[np.ndarray], picture: np.ndarray) -> bool:
        """Whether somebody who is not found where they are expected is hidden there: another is close, and it is not
        clearly their own clothes that are seen."""
        track, place = self._live[who], expected[who]
        others = [other for n, other in enumerate(self._live) if n != who and body_overlap(expected[n], place) > HIDING]
        if not others:
            return False
        there = [Clothes.of(picture, place + np.tile([shift * box_height(place), 0], 2)) for shift in ASIDE]
        mine, theirs = (max(one.likeness(worn) for one in those for worn in there) for those in ([track], others))
        return mine < max(SAME, theirs + CLEARLY)
