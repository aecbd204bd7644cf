"""The first look at a video: how long it is, where it cuts, who is in view and where, and whether the light is steady.

One pass, one frame in memory at a time. Every frame's thumbnail is looked at for cuts and flicker; people are looked
for every LOOK_EVERY seconds, oftener while they are close to each other.
"""

from dataclasses import dataclass

import numpy as np

from stages import InputError
from stages.camera.cuts import CutDetector
from stages.camera.lighting import LightMeter
from stages.estimators.person import Detector, reduced
from stages.media import footage, takes
from stages.media.prefetch import prefetched
from stages.progress import Progress
from stages.tracking.boxes import Person
from stages.tracking.track import Track
from stages.tracking.tracker import Tracker

SAMPLE = 64        # pictures kept at most
LOOK = 384         # pixels, longer side of what the detector sees
LOOK_EVERY, CROWDED = 0.2, 0.08  # seconds between two looks, and while people overlap
THUMBNAIL = 96     # pixels, longer side
REMEDY = ("Name one of them in the video's entry of params.yaml", "Make each of them a take of its own")
ROOM = 0.3         # around a box, share of its height, in which there may be more of the person


@dataclass
class Survey:
    count: int                       # frames
    size: tuple[int, int]            # width, height of the full frame
    looks: dict[int, list[Person]]   # frame: who was in view, in pixels of the look
    sample: dict[int, np.ndarray]    # frame: its picture, reduced; evenly spaced looks
    tracks: list[list[Track]]        # of each take, everyone, the heaviest first
    cuts: list[list[int]]            # of each take, the first frames of new shots, counted within it
    flicker: float                   # from frame to frame, share of full brightness

    @property
    def scale(self) -> float:
        """Pixels of a look a pixel of the full frame."""
        return min(1.0, LOOK / max(self.size))

    def people(self) -> np.ndarray:
        """How many people were in view at the last look, for each frame (T,)."""
        frames = np.array(sorted(self.looks))
        counts = np.array([len(self.looks[frame]) for frame in frames])
        return counts[np.searchsorted(frames, np.arange(self.count), side="right") - 1]

    def covered(self, frame: int, shape: tuple[int, ...]) -> np.ndarray:
        """Where people may be in a frame, generously: (height, width) bool of the given shape."""
        frames = np.array(sorted(self.looks))
        after = int(np.searchsorted(frames, frame, side="right"))
        hidden = np.zeros(shape[:2], bool)
        ratio = max(shape[:2]) / (max(self.size) * self.scale)
        for look in frames[max(after - 1, 0) : after + 1]:
            for person in self.looks[look]:
                left, top, right, bottom = (side * ratio for side in person.box)
                room = ROOM * (bottom - top)
                rows, columns = (slice(max(0, int(low - room)), max(0, int(np.ceil(high + room))))
                                 for low, high in ((top, bottom), (left, right)))
                hidden[rows, columns] = True
        return hidden


def survey_video(film: takes.Takes, find: Detector, batch: int) -> Survey:
    """InputError where there are fewer frames than a pose window of the generator, or takes of several sizes."""
    trackers, cutters, lamp = [], [], LightMeter()
    looks, sample, sizes, count, due = {}, SurveySample(), [], 0, 0
    waiting: dict[int, np.ndarray] = {}

    def look() -> None:
        pictures = list(waiting.values())
        for (index, picture), people in zip(waiting.items(), find.detect(pictures) if pictures else []):
            looks[index] = people
            trackers[-1].add(index, picture, people)
        waiting.clear()

    for count, (take, shot) in enumerate(Progress(prefetched(film.frames()), "looking through", unit="frame"), 1):
        index = count - 1
        if take == len(trackers):
            look()
            trackers.append(Tracker(film.fps, find.detect))
            cutters.append(CutDetector(film.fps))
            sizes.append(shot.picture().shape[1::-1])
            refuse_sizes(film, sizes)
            due = index
        thumbnail = shot.thumbnail(THUMBNAIL)
        cutters[-1].add(thumbnail)
        lamp.add(thumbnail)
        if index >= due:
            waiting[index] = reduced(shot.picture(), LOOK)
            sample.add(index, waiting[index])
            if trackers[-1].several_people or len(waiting) == batch:
                look()
            due = index + max(1, round((CROWDED if trackers[-1].crowded else LOOK_EVERY) * film.fps))
    look()
    if count < footage.LEAST:
        raise InputError(f"{film.path}: {count} frame{'s' * (count != 1)}, but at least {footage.LEAST} are needed; "
                         "give a longer video")
    tracks, cuts = [tracker.tracks() for tracker in trackers], [cutter.found() for cutter in cutters]
    return Survey(count, sizes[0], looks, sample.kept, tracks, cuts, lamp.change())


class SurveySample:
    """An evenly spaced choice of at most SAMPLE pictures of a stream of unknown length: when it is full, every second
    one is dropped and the spacing doubled."""

    def __init__(self):
        self.kept: dict[int, np.ndarray] = {}
        self._spacing, self._seen = 1, 0

    def add(self, index: int, picture: np.ndarray) -> None:
        if self._seen % self._spacing == 0:
            self.kept[index] = picture
        self._seen += 1
        if len(self.kept) > SAMPLE:
            self._spacing *= 2
            self.kept = dict(list(self.kept.items())[::2])


def refuse_sizes(film: takes.Takes, sizes: list[tuple[int, int]]) -> None:
    """InputError where the pictures of the last take of these have not the first one's size."""
    if sizes[-1] != sizes[0]:
        raise InputError(f"{film.takes[len(sizes) - 1].path}: pictures of {sizes[-1][0]} x {sizes[-1][1]}, but of "
                         f"{sizes[0][0]} x {sizes[0][1]} in {film.takes[0].path}; all takes must have one size")


def reject_cuts(film: takes.Takes, survey: Survey) -> None:
    """InputError with the list of shots where a take has more than one."""
    firsts = [*film.firsts, survey.count]
    for take, cuts, count in zip(film.takes, survey.cuts, np.diff(firsts)):
        if cuts:
            bounds = np.array([0, *cuts, count]) / film.fps + take.begin
            shots = [f"  start: {a:.2f}, end: {b:.2f}  ({b - a:.2f} s)" for a, b in zip(bounds[:-1], bounds[1:])]
            raise InputError(f"{take.path}: {len(shots)} shots, cut at frame {', '.join(map(str, cuts))}; expected "
                             "one. " + REMEDY[len(film.takes) > 1] + ":\n" + "\n".join(shots))
