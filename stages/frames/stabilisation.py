"""The second pass over a video, needed only if the camera moves or the light changes: measures the homography and the
light of each frame, which map it to a static view with constant lighting."""

from dataclasses import dataclass

import numpy as np

from stages import InputError
from stages.camera import camera_motion, lighting
from stages.estimators.person import downscale
from stages.frames.survey import Survey
from stages.media import takes
from stages.media.prefetch import prefetched
from stages.params import Frames
from stages.progress import Progress


@dataclass
class Stabilisation:
    moving: bool
    cameras: np.ndarray   # (T, 3, 3) homographies: frame of the video -> canvas
    size: tuple[int, int]  # width, height of the canvas
    reference: int        # the frame whose pixels coincide with those of the canvas
    residual: float       # median residual of the homographies, in pixels of the full frame
    lights: np.ndarray    # (T, 6) gain and offset of R, G, B

    def describe(self) -> str:
        parts = []
        if self.moving:
            parts.append(f"the camera moves: stabilised on a canvas of {self.size[0]} x {self.size[1]}, "
                         f"residual {self.residual:.2f} pixels")
        if changed := int((self.lights != lighting.UNCHANGED).any(1).sum()):
            parts.append(f"the light changes: compensated in {changed} frames")
        return "".join(f"; {part}" for part in parts)


def stabilise(video: takes.Takes, survey: Survey, params: Frames) -> Stabilisation:
    """Measures camera and light where they change by more than params.yaml allows. Raises InputError if homographies
    cannot describe the camera's motion."""
    sample = list(survey.sample.values())
    hidden = [survey.covered(frame, picture.shape) for frame, picture in survey.sample.items()]
    motion = camera_motion.background_motion(sample, hidden)  # NaN if there is no texture to track
    still = Stabilisation(False, np.tile(np.eye(3), (survey.count, 1, 1)), survey.size, 0, 0.0,
                          np.tile(lighting.UNCHANGED, (survey.count, 1)))
    result = register_camera(video, survey, params.max_residual) if motion > params.max_camera_motion else still
    views = (result.cameras[list(survey.sample)], survey.size, result.size) if result.moving else ()
    if max(survey.flicker, lighting.light_change(sample, hidden, *views)) > params.max_flicker:
        result.lights = measure_lights(video, survey, result, hidden, params.max_flicker)
    return result


def register_camera(video: takes.Takes, survey: Survey, max_residual: float) -> Stabilisation:
    registration = camera_motion.Registration(str(video.path), survey.size, video.fps, max_residual,
                                              video.describe_frame)
    try:
        for picture, hidden in reduced_frames(video, survey, "registering the camera"):
            registration.add(picture, hidden)
        path = registration.path()
    except InputError as error:
        if len(video.takes) == 1:
            raise
        raise InputError(f"{error}. A take of another place or from another spot needs a video of its own") from None
    lights = np.tile(lighting.UNCHANGED, (survey.count, 1))
    return Stabilisation(True, path.cameras, path.size, path.reference, float(np.nanmedian(path.residual)), lights)


def measure_lights(video: takes.Takes, survey: Survey, stabilisation: Stabilisation, hidden: list[np.ndarray],
                   most: float) -> np.ndarray:
    """Gain and offset of each frame (T, 6). `hidden` are the masks of the people in the sample's pictures."""
    cameras = stabilisation.cameras[list(survey.sample)] if stabilisation.moving else None
    reference = lighting.ReferenceLight(list(survey.sample.values()), hidden, cameras, survey.size, stabilisation.size)
    measured = [reference.measure(picture, covered, stabilisation.cameras[index] if stabilisation.moving else None)
                for index, (picture, covered) in enumerate(reduced_frames(video, survey, "measuring the light"))]
    return lighting.lights_to_apply(np.array(measured), most)


def reduced_frames(video: takes.Takes, survey: Survey, title: str):
    """Every frame, reduced, with a mask of the pixels that may show people."""
    for index, (_, shot) in enumerate(Progress(prefetched(video.frames()), title, survey.count, unit="frame")):
        picture = downscale(shot.picture(), camera_motion.WORKING_SIZE)
        yield picture, survey.covered(index, picture.shape)
