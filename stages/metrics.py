"""Metrics (Section 3.2): how good the generated frames are, and whether that is more than a lookup.

The S x S composite of Eq. 12 is compared with the frames as they really are: the target's own held-out frames
(reconstruction), or `truth`, a video of the target doing the source's motion (imitation, where there is one). The
same scores of the training frame whose pose is nearest (retrieval) are what copying would reach. What a moving camera
did not see in a frame does not count. In: foreground, driving, background, frames and views. Out: metrics.json, every
score a value or null with the reason, and per_frame.parquet.
"""

import json
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from stages import InputError
from stages.learning import device
from stages.media import clock as clocks
from stages.media import footage, pictures, video
from stages.media.files import replacing
from stages.media.seek import Seekable, chosen
from stages.media.view import View, read_view, stabilised
from stages.vision import blend, flow, quality
from stages.vision.skeleton import read_poses

if TYPE_CHECKING:
    from stages.params import Metrics, Transfer

PER_FRAME = pa.schema([
    ("frame", pa.int32()),                     # of the source
    ("box", pa.list_(pa.float32(), 4)),        # left, top, right, bottom of the person's box, pixels
    ("psnr", pa.float64()),                    # dB; null where there is no true frame
    ("ssim", pa.float64()),
    ("psnr_person_box", pa.float64()),
    ("ssim_person_box", pa.float64()),
    ("retrieval_frame", pa.int32()),           # the target's training frame whose pose is nearest, or null
    ("retrieval_psnr", pa.float64()),
    ("retrieval_ssim", pa.float64()),
    ("retrieval_psnr_person_box", pa.float64()),
    ("retrieval_ssim_person_box", pa.float64()),
    ("tcm", pa.float64()),                     # of this frame and the next; null where static or not consecutive
    ("warp_error", pa.float64()),              # of intensities in [0, 1], mean square
    ("reference_warp_error", pa.float64()),
])

OWN = ("psnr", "ssim", "psnr_person_box", "ssim_person_box")
PAIRED = OWN + tuple(f"retrieval_{name}" for name in OWN)
STEADY = ("tcm", "warp_error", "reference_warp_error")
JUDGED = ("lpips", "fid", "is")
UNITS = {name: "dB" for name in PAIRED if "psnr" in name}
NO_TRUTH = "no true frames: params.yaml names no `truth` for this transfer"
SWITCHED_OFF = "switched off by presets.{}.metrics.weights"


def run(
    foreground: Path, driving: Path, background: Path, target_frames: Path, target_clock: Path, target_view: Path,
    target_poses: Path, source_frames: Path, source_clock: Path, source_view: Path, metrics: Path, per_frame: Path,
    params: "Metrics", entry: "Transfer", key: str,
) -> None:
    pose, columns, about = read_poses(driving)
    timeline = clocks.read_clock(target_clock)
    plate = pictures.read(background)
    size, rows = len(plate), columns["frame"]
    training = timeline.usable()
    nearest = quality.nearest_poses(pose.body, read_poses(target_poses)[0].body[training])
    judges = _judges(params)
    view, crop = read_view(target_view), timeline.about["crop"]
    driven, driven_crop = read_view(source_view), clocks.read_clock(source_clock).about["crop"]

    composites = (blend.compose(rgba, plate) for rgba in video.frames(foreground, "rgba"))
    if entry.reconstruction:
        originals = chosen(video.frames(target_frames), rows, target_frames)
    else:
        originals = chosen(video.frames(source_frames), rows, source_frames)
    truths = repeat(None)
    if entry.truth and not entry.reconstruction:
        truths = chosen(true_frames(entry.truth, timeline.about, view, about["fps"]), rows, entry.truth)

    records, before = [], None  # before: the last composite and original, and what was seen of it
    with Seekable(target_frames) as lookup:
        together = zip(composites, originals, truths, strict=False)
        for t, (generated, original, truth) in enumerate(tqdm(together, "metrics", len(rows), unit="frame")):
            original = original if original.shape == plate.shape else cv2.resize(original, (size, size))
            truth = original if entry.reconstruction else truth
            box = quality.person_box(pose[t], size)
            shown = view.inside(int(rows[t]) if entry.reconstruction else view.about["reference"], crop, size)
            found = int(training[nearest[t]]) if nearest[t] >= 0 else None
            seen = driven.inside(int(rows[t]), driven_crop, size)
            record = {"frame": int(rows[t]), "box": box, "retrieval_frame": found}
            if truth is not None:
                record |= likeness(generated, truth, box, shown)
                if found is not None:
                    copied = likeness(lookup[found], truth, box, shown & view.inside(found, crop, size))
                    record |= {f"retrieval_{name}": value for name, value in copied.items()}
            if before and rows[t] == rows[t - 1] + 1:
                pair, reference, (first, second) = zip(before, (generated, original, seen))
                records[-1] |= dict(zip(STEADY, flow.steadiness(pair, reference, first & second)))
            if judges:
                judged = generated if truth is None else np.where(shown[..., None], generated, truth)
                judges.add(judged, truth, lookup[int(training[t % len(training)])] if truth is None else truth)
            records.append(record)
            before = generated, original, seen
    if len(records) != len(rows):
        raise InputError(f"{foreground}: {len(records)} frames, but {driving} has {len(rows)} poses; run fusion again")

    scores = summary(records)
    scores |= judges.scores() if judges else {name: (None, SWITCHED_OFF.format(entry.preset)) for name in JUDGED}
    pairs = sum("tcm" in record for record in records)
    static = sum(bool(np.isnan(record["tcm"])) for record in records if "tcm" in record)
    content = {
        "transfer": key, "kind": "reconstruction" if entry.reconstruction else "imitation", "frames": len(records),
        "truth": "held-out frames" if entry.reconstruction else entry.truth,
        "fid_reference": "training frames" if truth is None else "true frames",
        "flow": flow.NAME, "pairs": pairs, "static_pairs": static,
        "metrics": {name: {"value": value, "unit": UNITS.get(name), "reason": reason}
                    for name, (value, reason) in scores.items()},
    }
    columns = {name: [_null(record.get(name)) for record in records] for name in PER_FRAME.names}
    with replacing(per_frame) as temporary:
        pq.write_table(pa.table(columns, PER_FRAME), temporary)
    with replacing(metrics) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n")
    told = ("psnr", "ssim", "psnr_person_box", "retrieval_psnr_person_box", "tcm")
    line = ", ".join(f"{name} {scores[name][0]:.3f}" for name in told if scores[name][0] is not None)
    print(f"metrics: {len(records)} frames of {key}: {line or 'no paired scores, ' + NO_TRUTH}")


def true_frames(file: str, about: dict, view: View, fps: float) -> Iterator[np.ndarray]:
    """A video of the target at `fps`, cut and resized like the target's own, of whose clock `about` is; taken by a
    camera that stands still and, where the target's own moves, as that stood in its reference frame."""
    width, height = view.about["frame_size"]
    for index, picture in enumerate(footage.open_footage(file, fps).pictures()):
        if picture.shape[1::-1] != (width, height):
            raise InputError(f"{file}: frame {index} is {picture.shape[1]} x {picture.shape[0]}; expected a video from "
                             f"the same camera as {about['file']}: {width} x {height}")
        if view.about["moving"]:
            yield stabilised(picture, view.camera[view.about["reference"]], about["crop"], about["size"])
        else:
            yield footage.square(picture, about["crop"], about["size"])


def likeness(picture: np.ndarray, truth: np.ndarray, box: tuple | None, seen: np.ndarray) -> dict[str, float]:
    """PSNR and SSIM, of the whole frame and within the person's box (left, top, right, bottom), of what was seen."""
    scores = {"psnr": quality.psnr(picture, truth, seen), "ssim": quality.ssim(picture, truth, seen)}
    if box:
        part = np.s_[box[1] : box[3], box[0] : box[2]]
        scores["psnr_person_box"] = quality.psnr(picture[part], truth[part], seen[part])
        scores["ssim_person_box"] = quality.ssim(picture[part], truth[part], seen[part])
    return scores


def summary(records: list[dict]) -> dict[str, tuple[float | None, str | None]]:
    """The mean over the frames that have each score, or the reason why none has."""
    out = {}
    for name in PAIRED + STEADY:
        values = [record[name] for record in records if name in record and np.isfinite(record[name])]
        reason = NO_TRUTH if name in PAIRED else "no two consecutive frames between which anything moves"
        if name in PAIRED and any("psnr" in record for record in records):
            reason = "no person in any frame"
        out[name] = (float(np.mean(values)), None) if values else (None, reason)
    return out


def _judges(params: "Metrics"):
    """LPIPS, FID and IS, whose networks are only imported when they are wanted."""
    if not params.weights:
        return None
    from stages.nets.judges import Judges

    return Judges(device.choose(params.device))


def _null(value):
    return None if isinstance(value, float) and np.isnan(value) else value
