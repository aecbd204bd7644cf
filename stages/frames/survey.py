"""The first pass over a video: number of frames, cuts, people and their tracks, and flicker of the light.

One frame is in memory at a time. Cuts and flicker are detected on the thumbnail of every frame, people every
DETECTION_INTERVAL seconds and more often while they are close to each other.
"""

from dataclasses import dataclass

import numpy as np

from stages import InputError
from stages.camera.cuts import CutDetector
from stages.camera.lighting import LightMeter
from stages.estimators.person import Detector, downscale
from stages.media import footage, takes
from stages.media.prefetch import prefetched
from stages.progress import Progress
from stages.tracking.boxes import Person
from stages.tracking.track import Track
from stages.tracking.tracker import Tracker

SAMPLE = 64        # pictures kept, at most
DETECTOR_SIZE = 384  # pixels, longer side of the detector's input
DETECTION_INTERVAL, CROWDED_INTERVAL = 0.2, 0.08  # seconds between two detections: normally, and while people overlap
THUMBNAIL = 96     # pixels, longer side
REMEDY = ("Select one of them in the video's entry of params.yaml", "Make each of them a separate take")
MARGIN = 0.3       # around a box, as a share of its height: the person may reach beyond the box


@dataclass
class Survey:
    count: int                       # frames
    size: tuple[int, int]            # width, height of the full frame
    detections: dict[int, list[Person]]  # frame: the people in view, in pixels of the detector's input
    sample: dict[int, np.ndarray]    # frame: its reduced picture; evenly spaced
    tracks: list[list[Track]]        # of each take: all people, the most prominent first
    cuts: list[list[int]]            # of each take: the first frames of new shots, counted within the take
    flicker: float                   # change of the light from frame to frame, as a share of full brightness

    @property
    def scale(self) -> float:
        """Pixels of the detector's input per pixel of the full frame."""
        return min(1.0, DETECTOR_SIZE / max(self.size))

    def people(self) -> np.ndarray:
        """Number of people in view at the last detection, for each frame (T,)."""
        frames = np.array(sorted(self.detections))
        counts = np.array([len(self.detections[frame]) for frame in frames])
        return counts[np.searchsorted(frames, np.arange(self.count), side="right") - 1]

    def covered(self, frame: int, shape: tuple[int, ...]) -> np.ndarray:
        """The pixels of a frame that may show people, with a margin: a mask (height, width) bool of the given shape."""
        frames = np.array(sorted(self.detections))
        after = int(np.searchsorted(frames, frame, side="right"))
        hidden = np.zeros(shape[:2], bool)
        ratio = max(shape[:2]) / (max(self.size) * self.scale)
        for detected in frames[max(after - 1, 0) : after + 1]:
            for person in self.detections[detected]:
                left, top, right, bottom = (side * ratio for side in person.box)
                margin = MARGIN * (bottom - top)
                rows, columns = (slice(max(0, int(low - margin)), max(0, int(np.ceil(high + margin))))
                                 for low, high in ((top, bottom), (left, right)))
                hidden[rows, columns] = True
        return hidden


def survey_video(video: takes.Takes, detector: Detector, batch: int) -> Survey:
    """Raises InputError if the video has fewer frames than the generator's pose window, or takes of several sizes."""
    trackers, cut_detectors, light_meter = [], [], LightMeter()
    detections, sample, sizes, count, due = {}, SurveySample(), [], 0, 0
    waiting: dict[int, np.ndarray] = {}

    def detect() -> None:
        pictures = list(waiting.values())
        for (index, picture), people in zip(waiting.items(), detector.detect(pictures) if pictures else []):
            detections[index] = people
            trackers[-1].add(index, picture, people)
        waiting.clear()

    for count, (take, shot) in enumerate(Progress(prefetched(video.frames()), "first pass", unit="frame"), 1):
        index = count - 1
        if take == len(trackers):
            detect()
            trackers.append(Tracker(video.fps, detector.detect))
            cut_detectors.append(CutDetector(video.fps))
            sizes.append(shot.picture().shape[1::-1])
            reject_sizes(video, sizes)
            due = index
        thumbnail = shot.thumbnail(THUMBNAIL)
        cut_detectors[-1].add(thumbnail)
        light_meter.add(thumbnail)
        if index >= due:
            waiting[index] = downscale(shot.picture(), DETECTOR_SIZE)
            sample.add(index, waiting[index])
            if trackers[-1].several_people or len(waiting) == batch:
                detect()
            due = index + max(1, round((CROWDED_INTERVAL if trackers[-1].crowded else DETECTION_INTERVAL) * video.fps))
    detect()
    if count < footage.MIN_FRAMES:
        raise InputError(f"{video.path}: {count} frame{'s' * (count != 1)}, but at least {footage.MIN_FRAMES} are "
                         "needed; give a longer video")
    tracks, cuts = [tracker.tracks() for tracker in trackers], [detector.first_frames() for detector in cut_detectors]
    return Survey(count, sizes[0], detections, sample.kept, tracks, cuts, light_meter.change())


class SurveySample:
    """An evenly spaced sample of at most SAMPLE pictures from a stream of unknown length: when it is full, every second
    picture is dropped and the spacing doubled."""

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


def reject_sizes(video: takes.Takes, sizes: list[tuple[int, int]]) -> None:
    """Raises InputError if the pictures of the last take have another size than those of the first one."""
    if sizes[-1] != sizes[0]:
        raise InputError(f"{video.takes[len(sizes) - 1].path}: pictures of {sizes[-1][0]} x {sizes[-1][1]}, but of "
                         f"{sizes[0][0]} x {sizes[0][1]} in {video.takes[0].path}; all takes must have one size")


def reject_cuts(video: takes.Takes, survey: Survey) -> None:
    """Raises InputError with a list of the shots if a take has more than one."""
    firsts = [*video.firsts, survey.count]
    for take, cuts, count in zip(video.takes, survey.cuts, np.diff(firsts)):
        if cuts:
            bounds = np.array([0, *cuts, count]) / video.fps + take.begin
            shots = [f"  start: {a:.2f}, end: {b:.2f}  ({b - a:.2f} s)" for a, b in zip(bounds[:-1], bounds[1:])]
            raise InputError(f"{take.path}: {len(shots)} shots, cut at frame {', '.join(map(str, cuts))}; expected "
                             "one. " + REMEDY[len(video.takes) > 1] + ":\n" + "\n".join(shots))
