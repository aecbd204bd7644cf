"""One person's way through a video, and whose it is that is meant.

Boxes are left, top, right, bottom in pixels of the looks: the reduced pictures in which people were looked for.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from stages import InputError
from stages.tracking.boxes import box_centre, box_height, iou
from stages.tracking.clothes import Clothes

LOST = 1.0      # seconds after which somebody who was not seen has gone
HELD = 0.2      # seconds that a box stays before the first and after the last look of a presence
FASTEST = 3.0   # heights a second
AROUND = 0.2    # seconds before and after a look close to somebody else, from which its box is taken
LISTED = 10     # people at most that an error lists


@dataclass(frozen=True)
class Track:
    """One person: where they were at the looks at which they were seen."""

    index: np.ndarray    # (n,) frame of each
    places: np.ndarray   # (n, 4) boxes
    clear: np.ndarray    # (n,) bool: nobody else was close
    hidden: np.ndarray   # (m,) frames looked at in which somebody else stood before them
    clothes: Clothes
    fps: float

    @property
    def weight(self) -> float:
        """Heights, summed over the time that they were seen: large and often seen is heavy."""
        gaps = np.diff(self.index, prepend=self.index[0] - 1)
        return float((self._heights() * np.minimum(gaps, HELD * self.fps)).sum())

    def mapped(self, place: Callable[[int, np.ndarray], np.ndarray]) -> "Track":
        """The same track in other coordinates: place(frame, box) is the box there."""
        return replace(self, places=np.array([place(int(frame), box) for frame, box in zip(self.index, self.places)]))

    def boxes(self, count: int) -> np.ndarray:
        """The box in each of `count` frames (count, 4), interpolated; NaN where they are away, and around where they
        are hidden, as long as the other is close."""
        frames, held = np.arange(count), HELD * self.fps
        boxes = np.stack([np.interp(frames, self.index, side) for side in self._settled().T], -1)
        boxes[(frames < self.index[0] - held) | (frames > self.index[-1] + held)] = np.nan
        for before, after in zip(self.index[:-1], self.index[1:]):
            if ((self.hidden > before) & (self.hidden < after)).any():
                clear = self.index[self.clear]
                first = max(clear[clear <= before], default=self.index[0])
                last = min(clear[clear >= after], default=self.index[-1])
                boxes[(frames > first) & (frames < last)] = np.nan
            elif after - before > LOST * self.fps:
                boxes[(frames > before + held) & (frames < after - held)] = np.nan
        return boxes

    def in_reach_of(self, other: "Track") -> bool:
        """Whether one can have become the other in the time between; neither interrupts the other."""
        first, then = sorted((self, other), key=lambda track: track.index[0])
        at = np.searchsorted(first.index, then.index)
        if at.min() != at.max() or np.intersect1d(first.index, then.index).size:
            return False
        ends = [(first.index[at[0] - 1], first.places[at[0] - 1], then.index[0], then.places[0])]
        if at[0] < len(first.index):
            ends.append((then.index[-1], then.places[-1], first.index[at[0]], first.places[at[0]]))
        return all(_reachable(a, here, b, there, self.fps) for a, here, b, there in ends)

    def joined(self, other: "Track") -> "Track":
        index = np.concatenate([self.index, other.index])
        order = np.argsort(index)
        together = lambda name: np.concatenate([getattr(self, name), getattr(other, name)])
        return Track(index[order], together("places")[order], together("clear")[order], np.sort(together("hidden")),
                     self.clothes.joined(other.clothes), self.fps)

    def _settled(self) -> np.ndarray:
        """The places; close to somebody else, where a detector's box easily lies between the two, the straight line
        through those around."""
        places = self.places.copy()
        for look in np.flatnonzero(~self.clear):
            near = np.abs(self.index - self.index[look]) <= AROUND * self.fps
            if near.sum() > 2:
                _, at = np.polyfit(self.index[near] - self.index[look], self.places[near], 1)
                places[look] = at
        return places

    def _heights(self) -> np.ndarray:
        return self.places[:, 3] - self.places[:, 1]


def choose_track(tracks: list[Track], person: None | int | tuple, scale: float, fps: float, file: str) -> Track:
    """The track of who is meant: by number, the heaviest first; by a point on them or by their box in the first frame.

    person   as in params.yaml; points and boxes in pixels of the video
    scale    pixels of a look a pixel of the video
    """
    if not tracks:
        raise InputError(f"{file}: no person found in the frames looked at; expected one person, whole, upright and at "
                         "least a quarter of the picture high")
    listed = "\n".join(f"  person: {n}   {_told(track, scale, fps)}" for n, track in enumerate(tracks[:LISTED]))
    if person is None or isinstance(person, int):
        if (person or 0) < len(tracks):
            return tracks[person or 0]
        raise InputError(f"{file}: no person {person}; there are {len(tracks)}, the larger and oftener seen first:\n"
                         f"{listed}")
    first = [track for track in tracks if track.index[0] <= HELD * fps]
    meant = np.array(person, float) * scale
    if len(meant) == 2:
        fits = [_inside(meant, track.places[0]) for track in first]
        what, least = f"point ({person[0]:g}, {person[1]:g})", 0.0
    else:
        fits = [iou(tuple(meant), tuple(track.places[0])) for track in first]
        what, least = f"box ({', '.join(f'{side:g}' for side in person)})", 0.2
    if not fits or max(fits) <= least:
        raise InputError(f"{file}: nobody is at the {what} in the first frame. Write the number of one of these "
                         f"people, or a point on them or their box in the first frame, in pixels:\n{listed}")
    return first[int(np.argmax(fits))]


def _told(track: Track, scale: float, fps: float) -> str:
    left, top, right, bottom = (round(float(side)) for side in track.places[0] / scale)
    first, last = track.index[[0, -1]]
    return (f"from {first / fps:.1f} s to {last / fps:.1f} s; at first in the box ({left}, {top}, {right}, {bottom}) "
            f"of frame {first}")


def _inside(point: np.ndarray, box: np.ndarray) -> float:
    """0 outside of the box, 1 at its middle."""
    return float(np.maximum(0, 1 - np.abs(point - box_centre(box)) / (box[2:] - box[:2]) * 2).min())


def _reachable(before: int, here: np.ndarray, after: int, there: np.ndarray, fps: float) -> bool:
    tall = max(box_height(here), box_height(there))
    far = np.linalg.norm(box_centre(there) - box_centre(here)) / tall
    return far < 0.5 + FASTEST * (after - before) / fps and tall < 3 * min(box_height(here), box_height(there))
