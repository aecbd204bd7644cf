"""The track of one person through a video, and the choice of the track that is selected in params.yaml.

Boxes are left, top, right, bottom in pixels of the detector's input: the reduced pictures in which people are detected.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from stages import InputError
from stages.tracking.boxes import box_centre, box_height, iou
from stages.tracking.clothes import Clothes

MAX_GAP = 1.0      # seconds without a detection after which the person counts as out of view
HOLD = 0.2         # seconds before the first and after the last detection in which the box is kept
MAX_SPEED = 3.0    # of a person, heights per second
FIT_WINDOW = 0.2   # seconds before and after an overlapped detection whose boxes are used to correct it
MAX_LISTED = 10    # people listed in an error message


@dataclass(frozen=True)
class Track:
    """The detections of one person."""

    frames: np.ndarray           # (n,) frame of each detection
    detections: np.ndarray       # (n, 4) boxes
    isolated: np.ndarray         # (n,) bool: no other person overlapped the box
    occluded_frames: np.ndarray  # (m,) frames in which another person hid this one
    clothes: Clothes
    fps: float

    @property
    def prominence(self) -> float:
        """Height times time in view: large for people who are tall in the picture and often seen."""
        gaps = np.diff(self.frames, prepend=self.frames[0] - 1)
        return float((self._heights() * np.minimum(gaps, HOLD * self.fps)).sum())

    def mapped(self, transform: Callable[[int, np.ndarray], np.ndarray]) -> "Track":
        """The same track in other coordinates: `transform(frame, box)` maps each box."""
        boxes = [transform(int(frame), box) for frame, box in zip(self.frames, self.detections)]
        return replace(self, detections=np.array(boxes))

    def boxes(self, count: int) -> np.ndarray:
        """The box in each of `count` frames (count, 4), interpolated between detections. NaN where the person is out of
        view, and during an occlusion for as long as the other person is close."""
        frames, hold = np.arange(count), HOLD * self.fps
        boxes = np.stack([np.interp(frames, self.frames, side) for side in self._corrected().T], -1)
        boxes[(frames < self.frames[0] - hold) | (frames > self.frames[-1] + hold)] = np.nan
        for before, after in zip(self.frames[:-1], self.frames[1:]):
            if ((self.occluded_frames > before) & (self.occluded_frames < after)).any():
                isolated = self.frames[self.isolated]
                first = max(isolated[isolated <= before], default=self.frames[0])
                last = min(isolated[isolated >= after], default=self.frames[-1])
                boxes[(frames > first) & (frames < last)] = np.nan
            elif after - before > MAX_GAP * self.fps:
                boxes[(frames > before + hold) & (frames < after - hold)] = np.nan
        return boxes

    def can_continue(self, other: "Track") -> bool:
        """Whether both tracks can be of one person: one fits into a gap of the other, and the person would not have to
        move faster than MAX_SPEED."""
        first, second = sorted((self, other), key=lambda track: track.frames[0])
        at = np.searchsorted(first.frames, second.frames)
        if at.min() != at.max() or np.intersect1d(first.frames, second.frames).size:
            return False
        ends = [(first.frames[at[0] - 1], first.detections[at[0] - 1], second.frames[0], second.detections[0])]
        if at[0] < len(first.frames):
            ends.append((second.frames[-1], second.detections[-1], first.frames[at[0]], first.detections[at[0]]))
        return all(_reachable(a, start, b, end, self.fps) for a, start, b, end in ends)

    def merged(self, other: "Track") -> "Track":
        frames = np.concatenate([self.frames, other.frames])
        order = np.argsort(frames)
        both = lambda name: np.concatenate([getattr(self, name), getattr(other, name)])
        return Track(frames[order], both("detections")[order], both("isolated")[order],
                     np.sort(both("occluded_frames")), self.clothes.merged(other.clothes), self.fps)

    def _corrected(self) -> np.ndarray:
        """The detected boxes (n, 4). Where another person overlaps, a detector's box often lies between the two people:
        these boxes are replaced by a line fitted to the boxes of the surrounding frames."""
        boxes = self.detections.copy()
        for i in np.flatnonzero(~self.isolated):
            near = np.abs(self.frames - self.frames[i]) <= FIT_WINDOW * self.fps
            if near.sum() > 2:
                _, box = np.polyfit(self.frames[near] - self.frames[i], self.detections[near], 1)
                boxes[i] = box
        return boxes

    def _heights(self) -> np.ndarray:
        return self.detections[:, 3] - self.detections[:, 1]


def choose_track(tracks: list[Track], person: None | int | tuple, scale: float, fps: float, file: str) -> Track:
    """The track that `person` describes.

    tracks   most prominent first
    person   as in params.yaml: a number (index into `tracks`), a point on the person or their box, both in the first
             frame and in pixels of the video; None means the most prominent
    scale    pixels of the detector's input per pixel of the video
    Raises InputError with a list of the people found if none of them fits.
    """
    if not tracks:
        raise InputError(f"{file}: no person found in the sampled frames; expected one person, whole, upright and at "
                         "least a quarter of the picture high")
    listed = "\n".join(f"  person: {n}   {_description(track, scale, fps)}"
                       for n, track in enumerate(tracks[:MAX_LISTED]))
    if person is None or isinstance(person, int):
        if (person or 0) < len(tracks):
            return tracks[person or 0]
        raise InputError(f"{file}: no person {person}; there are {len(tracks)}, the most prominent first:\n{listed}")
    first = [track for track in tracks if track.frames[0] <= HOLD * fps]
    wanted = np.array(person, float) * scale
    if len(wanted) == 2:
        scores = [_closeness(wanted, track.detections[0]) for track in first]
        where, threshold = f"point ({person[0]:g}, {person[1]:g})", 0.0
    else:
        scores = [iou(tuple(wanted), tuple(track.detections[0])) for track in first]
        where, threshold = f"box ({', '.join(f'{side:g}' for side in person)})", 0.2
    if not scores or max(scores) <= threshold:
        raise InputError(f"{file}: no person is at the {where} in the first frame. Give the number of one of these "
                         f"people, or a point on them or their box in the first frame, in pixels:\n{listed}")
    return first[int(np.argmax(scores))]


def _description(track: Track, scale: float, fps: float) -> str:
    left, top, right, bottom = (round(float(side)) for side in track.detections[0] / scale)
    first, last = track.frames[[0, -1]]
    return (f"from {first / fps:.1f} s to {last / fps:.1f} s; at first in the box ({left}, {top}, {right}, {bottom}) "
            f"of frame {first}")


def _closeness(point: np.ndarray, box: np.ndarray) -> float:
    """0 outside the box, 1 at its centre."""
    return float(np.maximum(0, 1 - np.abs(point - box_centre(box)) / (box[2:] - box[:2]) * 2).min())


def _reachable(before: int, start: np.ndarray, after: int, end: np.ndarray, fps: float) -> bool:
    height = max(box_height(start), box_height(end))
    distance = np.linalg.norm(box_centre(end) - box_centre(start)) / height
    return distance < 0.5 + MAX_SPEED * (after - before) / fps and height < 3 * min(box_height(start), box_height(end))
