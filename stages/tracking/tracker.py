"""Multi-person tracking: detections of single frames are linked into tracks, one for each person.

From one detection frame to the next, a person is matched by position (overlap with the predicted box) and by clothes,
with the Hungarian method. While two people occlude each other only the clothes decide, and the clothes model is not
updated. People who leave and come back are re-identified by their clothes alone. Boxes are left, top, right, bottom in
pixels of the detector's input.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from stages.tracking.boxes import Person, body_overlap, box_centre, box_height, inside_frame, iou
from stages.tracking.clothes import Clothes
from stages.tracking.track import HOLD, MAX_GAP, Track

DIFFERENT = 0.5    # similarity of clothes below which a detection is another person
SAME = 0.72        # similarity above which two tracks are of one person who left and came back
MARGIN = 0.2       # minimum difference of two similarities to distinguish two people
CLOTHES = 2.0      # weight of the clothes in the matching cost; that of the overlap is 1
REACH = 0.15, 1.5  # largest distance from the predicted box, in heights: constant, and per second
CLOSE = 0.25       # body overlap above which two people are close to each other
OCCLUDING = 0.4    # body overlap above which one person may hide the other
OFFSETS = -0.1, -0.05, 0.0, 0.05, 0.1  # heights sideways from the predicted box, where a missed person is searched
DUPLICATE = 0.7    # body overlap above which two boxes are of one person
AHEAD = 0.6        # seconds for which the motion of an undetected person is extrapolated
PAINTED = 0.15     # half width of the area that is painted over for the second detection, in heights
VELOCITY_WINDOW = 0.9  # seconds over which velocity is measured
MIN_DETECTIONS = 3     # tracks with fewer are dropped


@dataclass
class _ActiveTrack:
    """A track that is being extended."""

    fps: float
    frames: list[int]
    detections: list[np.ndarray]
    isolated: list[bool]       # no other person was close
    clothes: Clothes           # mean over the detections that were isolated
    latest: Clothes
    occluded_frames: list[int] = field(default_factory=list)
    box: np.ndarray = field(init=False)       # filtered, less noisy than the last detection
    velocity: np.ndarray = field(init=False)  # pixels per frame

    def __post_init__(self):
        self.box, self.velocity, self._ahead = self.detections[0], np.zeros(2), AHEAD * self.fps
        self._path = [(self.frames[0], *box_centre(self.box))]

    def predicted(self, frame: int) -> np.ndarray:
        return self.box + np.tile(self.velocity, 2) * min(frame - self.frames[-1], self._ahead)

    def similarity(self, clothes: Clothes) -> float:
        return max(self.clothes.similarity(clothes), self.latest.similarity(clothes))

    def ended(self, frame: int) -> bool:
        return frame - max(self.frames[-1:] + self.occluded_frames[-1:]) > MAX_GAP * self.fps

    def add(self, frame: int, box: np.ndarray, isolated: bool, clothes: Clothes | None) -> None:
        """Appends a detection. The box of one that is not `isolated` gets less weight; `clothes` is None if it is not
        certain whose clothes were seen."""
        prediction = self.predicted(frame)
        self.box = prediction + (0.8 if isolated else 0.5) * (box - prediction)
        self.frames.append(frame)
        self.detections.append(box)
        self.isolated.append(isolated)
        if clothes:
            self.clothes, self.latest = self.clothes.updated(clothes), clothes
        if isolated:
            recent = [point for point in self._path if frame - point[0] < VELOCITY_WINDOW * self.fps]
            self._path = recent + [(frame, *box_centre(box))]
            time, *path = np.array(self._path).T
            offset = time - time.mean()
            self.velocity = (offset * path).sum(1) / max((offset**2).sum(), 1e-9)


class Tracker:
    """Links the detections of one frame after the other into tracks. Pictures are not kept.

    A detector may find only one of two people who are close to each other. If `detect` is given (a function from
    pictures to the people in each), the tracker paints the found person over in grey and detects again."""

    def __init__(self, fps: float, detect: Callable[[Sequence[np.ndarray]], list[list[Person]]] | None = None):
        self._fps, self._detect, self._all, self._active, self._frame = fps, detect, [], [], 0

    @property
    def several_people(self) -> bool:
        """Whether two or more people were in view recently."""
        return len(self._active) > 1

    @property
    def crowded(self) -> bool:
        """Whether two people are, or will soon be, so close that detection should run more often."""
        soon = self._frame + HOLD * self._fps
        return any(body_overlap(a.predicted(frame), b.predicted(frame)) > CLOSE
                   for frame in (self._frame, soon) for n, a in enumerate(self._active) for b in self._active[:n])

    def add(self, frame: int, picture: np.ndarray, people: Sequence[Person]) -> None:
        """Adds the people detected in `picture`, which shows that frame. Frames must ascend."""
        self._frame = frame
        self._active = [track for track in self._active if not track.ended(frame)]
        boxes = [np.array(person.box, float) for person in people]
        clothes = [Clothes.from_box(picture, box) for box in boxes]
        predicted = [track.predicted(frame) for track in self._active]
        matches, ambiguous_boxes, ambiguous_tracks = self._match(frame, predicted, boxes, clothes)
        if self._detect and matches and len(matches) < len(predicted):
            hidden = self._detect_hidden(picture, [boxes[i] for i in matches.values()])
            more = boxes + hidden, clothes + [Clothes.from_box(picture, box) for box in hidden]
            second = self._match(frame, predicted, *more)
            if len(second[0]) > len(matches):
                (matches, ambiguous_boxes, ambiguous_tracks), (boxes, clothes) = second, more
        missed = [n for n in range(len(predicted)) if n not in matches]
        occupied = boxes + [predicted[n] for n in missed]
        isolated = [inside_frame(box, picture)
                    and all(body_overlap(box, other) < CLOSE for j, other in enumerate(occupied) if j != i)
                    for i, box in enumerate(boxes)]
        for n, i in matches.items():
            track, worn = self._active[n], clothes[i]
            others = max((other.similarity(worn) for other in self._active if other is not track), default=0.0)
            certain = isolated[i] and track.similarity(worn) > others + MARGIN
            track.add(frame, boxes[i], isolated[i], worn if certain else None)
        for n in missed:
            if n in ambiguous_tracks or self._is_occluded(n, predicted, picture):
                self._active[n].occluded_frames.append(frame)
        for i in set(range(len(people))) - set(matches.values()) - ambiguous_boxes:
            if not (any(body_overlap(boxes[i], box) > DUPLICATE for j, box in enumerate(boxes) if j != i)
                    or any(body_overlap(boxes[i], box) > OCCLUDING for box in predicted)):
                worn = replace(clothes[i], observations=int(isolated[i]))
                self._active.append(_ActiveTrack(self._fps, [frame], [boxes[i]], [isolated[i]], worn, worn))
                self._all.append(self._active[-1])

    def tracks(self) -> list[Track]:
        """All people, the most prominent first. Tracks of people who left and came back are merged, the most similar
        ones first."""
        found = [Track(np.array(track.frames), np.array(track.detections), np.array(track.isolated),
                       np.array(track.occluded_frames, int), track.clothes, self._fps) for track in self._all]
        while pairs := [(similarity, a, b) for b, one in enumerate(found) for a, other in enumerate(found[:b])
                        if (similarity := one.clothes.similarity(other.clothes)) > SAME and one.can_continue(other)]:
            _, a, b = max(pairs)
            found[a] = found[a].merged(found.pop(b))
        least = min(MIN_DETECTIONS, max((len(track.frames) for track in found), default=0))
        return sorted((track for track in found if len(track.frames) >= least), key=lambda track: -track.prominence)

    def _match(self, frame: int, predicted: list[np.ndarray], boxes: list[np.ndarray],
               clothes: list[Clothes]) -> tuple[dict[int, int], set[int], set[int]]:
        """Assigns detections to active tracks.

        Returns {track: detection}, the detections that could belong to two tracks, and these tracks; neither are in
        the assignment."""
        if not predicted or not boxes:
            return {}, set(), set()
        similarity = np.array([[track.similarity(worn) for worn in clothes] for track in self._active])
        near = np.array([[body_overlap(box, place) > CLOSE for box in boxes] for place in predicted])
        best = np.where(near, similarity, 0).max(0)  # highest similarity of a track that is near the detection
        least = np.where(near.sum(0) > 1, SAME, DIFFERENT)  # a box may hold two people: then it must fit better
        costs = np.full(similarity.shape, np.inf)
        for n, (track, place) in enumerate(zip(self._active, predicted)):
            reach = REACH[0] + REACH[1] * (frame - track.frames[-1]) / self._fps
            for i, box in enumerate(boxes):
                shorter, taller = sorted((box_height(place), box_height(box)))
                if (np.linalg.norm(box_centre(box) - box_centre(place)) < reach * shorter and taller < 2 * shorter
                        and similarity[n, i] >= max(least[i], best[i] - MARGIN)):
                    costs[n, i] = 1 - iou(place, box) + CLOTHES * (1 - similarity[n, i])
        never = 1e3
        rows, columns = linear_sum_assignment(np.minimum(costs, never))
        matches = {int(n): int(i) for n, i in zip(rows, columns) if costs[n, i] < never}
        missed = [k for k, track in enumerate(self._active) if k not in matches and len(track.frames) >= MIN_DETECTIONS]
        ambiguous = {(n, k, i) for n, i in matches.items() for k in missed if costs[k, i] < never and
                     similarity[k, i] > similarity[n, i] - MARGIN * (body_overlap(predicted[k], boxes[i]) > OCCLUDING)}
        ambiguous_boxes = {i for _, _, i in ambiguous}
        matches = {n: i for n, i in matches.items() if i not in ambiguous_boxes}
        return matches, ambiguous_boxes, {track for n, k, _ in ambiguous for track in (n, k)}

    def _detect_hidden(self, picture: np.ndarray, boxes: list[np.ndarray]) -> list[np.ndarray]:
        """Detects again with the people in `boxes` painted over."""
        painted = picture.copy()
        for box in boxes:
            x, half = box_centre(box)[0], PAINTED * box_height(box)
            left, top, right, bottom = np.maximum((x - half, box[1], x + half, box[3]), 0).astype(int)
            painted[top:bottom, left:right] = 128
        found, = self._detect([painted])
        return [np.array(person.box, float) for person in found]

    def _is_occluded(self, n: int, predicted: list[np.ndarray], picture: np.ndarray) -> bool:
        """Whether the undetected person of track `n` is hidden where they are predicted: another person is close, and
        the clothes seen there are not clearly those of track `n`."""
        track, place = self._active[n], predicted[n]
        others = [other for k, other in enumerate(self._active)
                  if k != n and body_overlap(predicted[k], place) > OCCLUDING]
        if not others:
            return False
        seen = [Clothes.from_box(picture, place + np.tile([offset * box_height(place), 0], 2)) for offset in OFFSETS]
        own, theirs = (max(one.similarity(worn) for one in those for worn in seen) for those in ([track], others))
        return own < max(SAME, theirs + MARGIN)
