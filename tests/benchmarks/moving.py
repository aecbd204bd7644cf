"""Accuracy of stabilisation and exposure correction, for a hand-held camera that pans over a rendered person in
flickering light. Rows of tests.benchmarks.ground_truth."""

from pathlib import Path

import cv2
import numpy as np
import yaml

from stages import background_inpainting, frames, layout, mask_segmentation, params, pose_extraction, samples
from stages.imaging import image_quality
from stages.media import video_file
from stages.media.pose_table import read_poses
from stages.media.timeline import read_timeline
from stages.media.view import read_view
from stages.pose.skeleton import person_height
from stages.samples import motion, people, scene
from tests.benchmarks.figures import Figure
from tests.stages.turning import turned

ROOT = Path(__file__).parents[2]
WHO, SECONDS = "stranger_101", 4.0
WIDE, FRAME = 512, (400, 400)  # pixels: rendered picture, frame of the camera
FLICKER = 0.06


def camera(folder: Path) -> list[Figure]:
    """Registration, background plate, poses and light compared with the truth, in pixels of the video's frame."""
    folder = folder / "moving"
    folder.mkdir(parents=True, exist_ok=True)
    true, joints, gains = film(folder / "hand.mp4")
    run(folder)
    view, about = read_view(folder / "view.parquet"), read_timeline(folder / "frames.parquet").about
    reference = view.about["reference"]

    corners = np.float32([[(0, 0)], [(FRAME[0], 0)], [FRAME], [(0, FRAME[1])]]) - 0.5
    onto = [np.linalg.inv(cameras[reference]) @ cameras for cameras in (view.camera, true)]  # frame -> reference
    there = [np.stack([cv2.perspectiveTransform(corners, one)[:, 0] for one in each]) for each in onto]
    error = np.linalg.norm(there[0] - there[1], axis=-1).max(1)

    to_canvas = view.camera[reference] @ np.linalg.inv(true[reference])  # what was rendered -> canvas
    room = np.rint(255 * scene.plate(people.person(WHO).room, WIDE)).astype(np.uint8)
    wanted = cv2.warpPerspective(room, to_canvas, tuple(about["full_size"]), flags=cv2.INTER_CUBIC)
    plate = cv2.imread(str(folder / "background_full.png"))[..., ::-1].astype(float)
    seen = np.any([view.visible_full(frame, about["full_size"]) for frame in about["full_frames"]], axis=0)
    seen &= cv2.warpPerspective(np.full(room.shape[:2], 255, np.uint8), to_canvas, tuple(about["full_size"])) > 254
    level = np.median(plate[seen] / np.maximum(wanted[seen], 1), axis=0)  # the clip's typical light

    poses, left = read_poses(folder / "poses.parquet")[0].body, np.array(about["crop"][:2])
    found = poses[..., :2] * about["crop"][2] / about["size"] + left  # on the canvas
    places = cv2.perspectiveTransform((joints[..., :2] - 0.5).reshape(-1, 1, 2), to_canvas).reshape(-1, 18, 2) + 0.5
    height = np.percentile(person_height(np.dstack([places, np.ones(places.shape[:2])])), 95)
    distance = np.linalg.norm(found - places, axis=-1)
    shades = gains * view.light[:, 0] + view.light[:, 3] / 128
    return [
        Figure("camera: worst corner's error, pixels of 400, median", np.median(error), 0.5, "px", True),
        Figure("camera: worst corner's error, pixels of 400, worst frame", error.max(), 1.5, "px", True),
        Figure("camera: PSNR of the plate seen", image_quality.psnr(plate[seen] / level, wanted[seen]), 32, "dB"),
        Figure("camera: joints within 5 % of the height, stabilised", 100 * (distance <= 0.05 * height).mean(), 95,
               "%"),
        Figure("camera: flicker left, of a middle grey", 100 * np.ptp(shades) / np.ptp(gains), 15, "%", True),
    ]


def film(file: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Writes the video. Returns the true cameras (T, 3, 3), which map frames to the rendered picture, the joints in the
    rendered picture (T, 18, 3), and the gains of the light (T,)."""
    count = round(SECONDS * motion.FPS)
    rng = np.random.default_rng(5)
    shake = cv2.GaussianBlur(rng.normal(0, 1, (count, 3)), (1, 0), sigmaX=0.1, sigmaY=3) * [0.02, 0.02, 0.02]
    yaw = 0.05 * np.sin(np.linspace(-np.pi / 2, np.pi, count))
    low = -0.07  # the feet are in view
    true = np.stack([turned(a + y, low + p, r, wide=WIDE, frame=FRAME) for a, (y, p, r) in zip(yaw, shake)])
    gains = 1 + FLICKER * np.cos(2 * np.pi * np.arange(count) / 3)
    joints = []
    with video_file.h264(file, motion.FPS, samples.CRF, {}) as add:
        shots = samples.frames(WHO, ("wave", "dance"), 5, SECONDS, WIDE)
        for (picture, _, pose, _), matrix, gain in zip(shots, true, gains):
            seen = cv2.warpPerspective(picture, matrix, FRAME, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
                                       borderMode=cv2.BORDER_REPLICATE)
            add(np.clip(np.rint(gain * seen + rng.normal(0, samples.NOISE, seen.shape)), 0, 255).astype(np.uint8))
            joints.append(pose.body)
    return true, np.stack(joints).astype(float), gains


def run(folder: Path) -> None:
    """Runs the stages up to the background."""
    preset = params.Params(**yaml.safe_load((ROOT / "params.yaml").read_text())).presets["demo"]
    files = {argument: folder / Path(path).name for stage in ("frames", "pose_extraction", "mask_segmentation",
             "background_inpainting") for argument, path in layout.OUTPUTS[stage].items()}
    given = lambda *names: {name: files[name] for name in names}
    frames.run(**given("frames", "timeline", "view", "full_frames"), params=preset.frames,
               entry=params.Video(file=str(folder / "hand.mp4"), preset="demo"))
    pose_extraction.run(**given("frames", "timeline", "view", "poses", "silhouettes"), params=preset.pose_extraction)
    mask_segmentation.run(**given("frames", "timeline", "view", "poses", "silhouettes", "masks"),
                          params=preset.mask_segmentation)
    background_inpainting.run(**given("frames", "timeline", "view", "full_frames", "masks", "background", "seen",
                                      "full_background"),
                             params=preset.background_inpainting.model_copy(update={"inpainter": "telea"}))
