"""The second look, only where the camera moves or the light changes: how each frame is brought to one still view in
one light."""

from dataclasses import dataclass

import numpy as np

from stages import InputError
from stages.camera import camera_motion, lighting
from stages.estimators.person import reduced
from stages.frames.survey import Survey
from stages.media import takes
from stages.media.prefetch import prefetched
from stages.params import Frames
from stages.progress import Progress


@dataclass
class Stabilisation:
    moving: bool
    cameras: np.ndarray   # (T, 3, 3) homographies: the video's frame -> the still, full frame (the canvas)
    size: tuple[int, int]  # width, height of the canvas
    reference: int        # the frame whose view is the canvas's own
    residual: float       # pixels of the full frame that the homographies leave unexplained, median
    lights: np.ndarray    # (T, 6) gain and offset of R, G, B

    def describe(self) -> str:
        parts = []
        if self.moving:
            parts.append(f"the camera moves: stabilised on a canvas of {self.size[0]} x {self.size[1]}, "
                         f"residual {self.residual:.2f} pixels")
        if changed := int((self.lights != lighting.UNCHANGED).any(1).sum()):
            parts.append(f"the light changes: compensated in {changed} frames")
        return "".join(f"; {part}" for part in parts)


def stabilise(film: takes.Takes, survey: Survey, params: Frames) -> Stabilisation:
    """InputError where the camera moves as no homography can explain."""
    sample = list(survey.sample.values())
    hidden = [survey.covered(frame, picture.shape) for frame, picture in survey.sample.items()]
    motion = camera_motion.background_motion(sample, hidden)  # NaN where there is no texture to measure it by
    still = Stabilisation(False, np.tile(np.eye(3), (survey.count, 1, 1)), survey.size, 0, 0.0,
                      np.tile(lighting.UNCHANGED, (survey.count, 1)))
    result = registered(film, survey, params.max_residual) if motion > params.max_camera_motion else still
    views = (result.cameras[list(survey.sample)], survey.size, result.size) if result.moving else ()
    if max(survey.flicker, lighting.light_change(sample, hidden, *views)) > params.max_flicker:
        result.lights = lit(film, survey, result, hidden, params.max_flicker)
    return result


def registered(film: takes.Takes, survey: Survey, most: float) -> Stabilisation:
    path = camera_motion.Registration(str(film.path), survey.size, film.fps, most, film.describe_frame)
    try:
        for picture, hidden in looked_at(film, survey, "registering the camera"):
            path.add(picture, hidden)
        track = path.track()
    except InputError as error:
        if len(film.takes) == 1:
            raise
        raise InputError(f"{error}. A take of another place or from another spot needs a video of its own") from None
    lights = np.tile(lighting.UNCHANGED, (survey.count, 1))
    return Stabilisation(True, track.cameras, track.size, track.reference, float(np.nanmedian(track.residual)), lights)


def lit(film: takes.Takes, survey: Survey, steadied: Stabilisation, hidden: list[np.ndarray], most: float
        ) -> np.ndarray:
    """The gain and offset of each frame (T, 6). hidden: where people may be in the sample's pictures."""
    cameras = steadied.cameras[list(survey.sample)] if steadied.moving else None
    typical = lighting.ReferenceLight(list(survey.sample.values()), hidden, cameras, survey.size, steadied.size)
    measured = [typical.measure(picture, covered, steadied.cameras[index] if steadied.moving else None)
                for index, (picture, covered) in enumerate(looked_at(film, survey, "measuring the light"))]
    return lighting.lights_to_apply(np.array(measured), most)


def looked_at(film: takes.Takes, survey: Survey, title: str):
    """Every frame, reduced, and where people may be in it."""
    for index, (_, shot) in enumerate(Progress(prefetched(film.frames()), title, survey.count, unit="frame")):
        picture = reduced(shot.picture(), camera_motion.WORKING_SIZE)
        yield picture, survey.covered(index, picture.shape)
