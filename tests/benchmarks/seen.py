"""Quality of delivered videos of real clips: python -m tests.benchmarks.seen FOLDER --clips A.mp4 B.mp4

Trains on the first four fifths of each clip, reconstructs the rest, and compares the final video with the true frames:
in the person's box, in the square crop of all frames, and in the whole frame. The rows of a clip's table: results of
other systems, if given, with their delay removed; ours before label and watermark, through the same H.264; ours as
`video.mp4`; the true frames through H.264, without and with our watermark. In all of them, pixels of the label are
replaced by the truth. LPIPS uses AlexNet; sharpness is that of the inner part of the person.

Exits with 1 if the watermark is visible: if it changes the LPIPS to the true frames, of ours or of the true frames
themselves, by more than GOAL. The LPIPS between both encoded videos is shown without a goal, because H.264 reacts to a
change of one grey level in one pixel of 256 with as much. FOLDER/seen_<clip>.png shows the truth and every row side by
side.

FOLDER               folder to work in; about 10 minutes a clip on two cores
--clips FILE ...     videos of one person
--panels FILE N      a video of N panels side by side: the true frames, for training, and results of other systems
--frames N           number of held-out frames that are scored, evenly spaced (25)
--preset NAME        demo
--steps N            of the generator's training, for a quick try
--reuse              continues with the artifacts in FOLDER, even if other code made them
"""

import argparse
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import cv2
import numpy as np
from torch import nn

from stages import InputError, fusion, layout, params
from stages.evaluation import delivered_video, image_similarity, perceptual_distance
from stages.frames import project_box
from stages.imaging import image_quality
from stages.media import footage, png, video_file, view
from stages.media.pose_table import read_poses
from stages.media.sampling import evenly_spaced
from stages.media.seek import select_frames
from stages.media.timeline import Timeline, read_timeline
from stages.pose.skeleton import Pose
from stages.provenance.watermark import Watermark
from tests import settings
from tests.benchmarks import held_out
from tests.benchmarks.experiments import people_by_name
from tests.benchmarks.figures import Figure, print_figures
from tests.benchmarks.films import Pictures, first_panel, frame_lag, lag_suffix, panel, shift_frames

GOAL = 0.003   # LPIPS that the watermark may add
MARK_NUMBER = 1     # of the mark in the true frames
TRAINING_STAGES = ("generator_training", "local_gan_training")
RESULT_STAGES = ("retargeting", "fusion", "signing")
BEFORE, AFTER, TRUTH, MARKED = "ours, before label and mark", "ours, video.mp4", "the true frames", "the same, marked"
REGIONS = ("box", "square", "whole")
COLUMNS = {"sharpness": "{:.2f}"} | {f"{region}: {score}": style for region in REGIONS for score, style in (
    ("PSNR", "{:.2f}"), ("SSIM", "{:.3f}"), ("LPIPS", "{:.4f}"))}

Measured = dict[str, np.ndarray]  # by row, (frames, COLUMNS)


@dataclass(frozen=True)
class Clip:
    """A clip that was trained on and reconstructed in `folder`. films: other systems' videos of its frames, by name."""

    folder: Path
    name: str
    file: Path
    films: dict[str, Callable[[], Pictures]]
    count: int  # frames that are scored

    def path(self, stage: str, argument: str) -> Path:
        key = held_out.reconstruction_key(self.name) if layout.KINDS[stage] == "transfers" else self.name
        return self.folder / layout.outputs(stage, key)[argument]

    @cached_property
    def rows(self) -> np.ndarray:
        """The held-out frames of the clip."""
        return read_poses(self.path("retargeting", "driving"))[1]["frame"]

    @cached_property
    def scored(self) -> np.ndarray:
        """Indices of the scored frames among the held-out ones."""
        return evenly_spaced(np.arange(len(self.rows)), self.count)

    @cached_property
    def place(self) -> Callable[[int], fusion.Placement]:
        """The placement of the square in a held-out frame of the video, by its index."""
        about, plate = self._timeline().about, png.read(self.path("background_inpainting", "full_background"))
        still = fusion.Placement.from_crop(about["crop"], about["size"], plate)
        return fusion.placements(still, view.read_view(self.path("frames", "view")), self.rows)

    @property
    def square_side(self) -> int:
        """S, pixels."""
        return self._timeline().about["size"]

    @property
    def sheet(self) -> Path:
        """A picture of the person's box in the middle frame: the truth, then every row."""
        return self.folder / f"seen_{self.name}.png"

    @property
    def fps(self) -> float:
        return self._timeline().about["fps"]

    def truth(self) -> Iterator[np.ndarray]:
        """The held-out frames as filmed, cropped to even height and width."""
        return map(even_size, select_frames(footage.open_footage(self.file, None).pictures(), self.rows, self.file))

    def composites(self) -> Iterator[np.ndarray]:
        """The generated frames as fusion composites them, before label and watermark."""
        foregrounds = video_file.frames(self.path("fusion", "foreground"), "rgba")
        return (even_size(self.place(index).composite(rgba)) for index, rgba in enumerate(foregrounds))

    def poses(self) -> Iterator[Pose]:
        """The held-out poses, in pixels of the video's frame."""
        driving = read_poses(self.path("retargeting", "driving"))[0]
        return (pose.map(partial(to_video_pixels, self.place(index).matrix)) for index, pose in enumerate(driving))

    def _timeline(self) -> Timeline:
        return read_timeline(self.path("frames", "timeline"))


def learn(folder: Path, files: dict[str, Path], steps: int | None, preset: str) -> None:
    """Runs all stages of every clip whose outputs are missing."""
    changes = {"generator_training": {"steps": steps}} if steps else {}
    held_out.prepare(folder, {name: str(file) for name, file in files.items()}, changes=changes, preset=preset)
    for name in files:
        for stage in TRAINING_STAGES:
            held_out.run_missing(folder, stage, name)
        for stage in RESULT_STAGES:
            held_out.run_missing(folder, stage, held_out.reconstruction_key(name))


def measure(clip: Clip, crf: int, lpips: nn.Module) -> tuple[Measured, dict[str, float]]:
    """All rows of the table, and by region the LPIPS between the true frames with and without the watermark."""
    size = next(clip.truth()).shape[1::-1]
    label = delivered_video.label_area(size) > 0
    lags = {name: frame_lag(clip.file, film()) for name, film in clip.films.items()}
    films = {name + lag_suffix(lags[name]): select_frames(map(even_size, shift_frames(film(), lags[name])), clip.rows, name)
             for name, film in clip.films.items()}
    films |= {
        BEFORE: encoded(clip, "before", clip.composites(), crf),
        AFTER: video_file.frames(clip.path("signing", "video")),
        TRUTH: encoded(clip, "true", clip.truth(), crf),
        MARKED: encoded(clip, "marked_truth", marked_truth(clip, size), crf),
    }
    found, seen = {row: [] for row in films}, {region: [] for region in REGIONS}
    for index, (truth, pose, *shown) in enumerate(zip(clip.truth(), clip.poses(), *films.values(), strict=True)):
        if index not in clip.scored:
            continue
        parts = regions(pose, size, clip.place(index).matrix, clip.square_side)
        shown = dict(zip(films, (np.where(label[..., None], truth, picture) for picture in shown)))
        for row, picture in shown.items():
            found[row].append(scores(picture, truth, pose, parts, lpips))
        if index == clip.scored[len(clip.scored) // 2]:
            png.write(clip.sheet, np.concatenate([one[parts["box"]] for one in (truth, *shown.values())], 1))
        for region, part in parts.items():
            seen[region].append(held_out.lpips(lpips, shown[MARKED][part], shown[TRUTH][part]))
    return ({row: np.array(values) for row, values in found.items()},
            {region: float(np.mean(values)) for region, values in seen.items()})


def scores(picture: np.ndarray, truth: np.ndarray, pose: Pose, parts: dict[str, tuple[slice, slice]], lpips: nn.Module
           ) -> list[float]:
    """The scores of one frame, in the order of COLUMNS. parts: its `regions`."""
    height, width = truth.shape[:2]
    inside = image_similarity.certain_person_mask(pose, max(height, width))[:height, :width]
    pairs = ((picture[part], truth[part]) for part in parts.values())
    found = [image_quality.sharpness(picture, truth, inside)]
    for pair in pairs:
        found += [image_quality.psnr(*pair), image_quality.ssim(*pair), held_out.lpips(lpips, *pair)]
    return found


def regions(pose: Pose, size: tuple[int, int], matrix: np.ndarray, side: int) -> dict[str, tuple[slice, slice]]:
    """The crops of a picture of a size (width, height) by region: the person's box with its margin, the bounding box of the
    square, and all of it. matrix: from pixels of the side x side square to pixels of the picture."""
    left, top, right, bottom = image_quality.person_box(pose, max(size)) or (0, 0, *size)
    low_x, low_y, high_x, high_y = np.rint(project_box(np.array([0, 0, side, side]), matrix)).astype(int)
    return {"box": np.s_[top : min(bottom, size[1]), left : min(right, size[0])],
            "square": np.s_[max(low_y, 0) : min(high_y, size[1]), max(low_x, 0) : min(high_x, size[0])], "whole": np.s_[:, :]}


def to_video_pixels(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points (n, 3) of the square (x, y, score), in pixels of the video's frame."""
    moved = cv2.perspectiveTransform(points[None, :, :2].astype(np.float64) - 0.5, matrix)[0] + 0.5
    return np.concatenate([moved, points[:, 2:]], 1).astype(np.float32)


def marked_truth(clip: Clip, size: tuple[int, int]) -> Iterator[np.ndarray]:
    """The true held-out frames with our watermark."""
    mark = Watermark(MARK_NUMBER, size, clip.fps)
    return (mark.apply(picture, frame) for frame, picture in enumerate(clip.truth()))


def encoded(clip: Clip, name: str, given: Pictures, crf: int) -> Iterator[np.ndarray]:
    """Pictures after encoding with fusion's H.264 settings."""
    path = clip.folder / f"seen_{clip.name}_{name}.mp4"
    with video_file.h264(path, clip.fps, crf, {}) as add:
        for picture in given:
            add(picture)
    return video_file.frames(path)


def even_size(picture: np.ndarray) -> np.ndarray:
    """Cropped to an even height and width, as H.264 requires."""
    return picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2]


def table(clip: Clip, found: Measured) -> str:
    """The table of a clip in Markdown."""
    head = [f"{clip.name}, {len(clip.scored)} of {len(clip.rows)} held-out frames", *COLUMNS]
    lines = [head, ["---"] * len(head)]
    for row, values in found.items():
        means = np.nanmean(values, axis=0)
        lines.append([row, *(style.format(mean) for style, mean in zip(COLUMNS.values(), means, strict=True))])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def figures(name: str, found: Measured, seen: dict[str, float]) -> list[Figure]:
    """The LPIPS that the watermark adds."""
    rows = []
    for region in REGIONS:
        before, after = (found[row][:, list(COLUMNS).index(f"{region}: LPIPS")].mean() for row in (BEFORE, AFTER))
        what = f"{name}, {region}: LPIPS of"
        rows.append(Figure(f"{what} ours, marked less unmarked", abs(after - before), GOAL, at_most=True))
        plain, with_mark = (found[row][:, list(COLUMNS).index(f"{region}: LPIPS")].mean() for row in (TRUTH, MARKED))
        rows.append(Figure(f"{what} true frames, marked less unmarked", abs(with_mark - plain), GOAL, at_most=True))
        rows.append(Figure(f"{what} true frames, marked to unmarked", seen[region], None, at_most=True))
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--clips", type=Path, nargs="+", default=[], metavar="FILE")
    parser.add_argument("--panels", nargs=2, action="append", default=[], metavar=("FILE", "N"))
    parser.add_argument("--frames", type=int, default=25, metavar="N")
    parser.add_argument("--preset", default="demo", choices=settings.content()["presets"])
    parser.add_argument("--steps", type=int, metavar="N")
    parser.add_argument("--reuse", action="store_true")
    given = parser.parse_args()
    folder = given.folder.resolve()
    if (folder / layout.ROOT).exists() and not given.reuse:
        parser.error(f"{folder / layout.ROOT} is there: give --reuse to go on with it, or another FOLDER")
    if not all(count.isdecimal() and int(count) > 1 for _, count in given.panels):
        parser.error("--panels: expected a video and how many panels lie in it side by side, as in video.avi 3")
    counts = {Path(file).stem: int(count) for file, count in given.panels}
    try:
        files = people_by_name("", ",".join(map(str, [*given.clips, *(file for file, _ in given.panels)])))
        if not files:
            parser.error("expected --clips or --panels")
        lpips = perceptual_distance.lpips_network().eval()
        originals = {name: Path(file) for name, file in files.items()}
        files = originals | {name: first_panel(folder, originals[name], count) for name, count in counts.items()}
        learn(folder, files, given.steps, given.preset)
    except InputError as error:
        parser.error(str(error))
    except subprocess.CalledProcessError as error:  # it has said why
        parser.error(f"{' '.join(error.cmd[1:])} in {folder} ended with {error.returncode}")
    crf, reached = params.load(folder / "params.yaml").presets[given.preset].fusion.crf, []
    for name, file in files.items():
        count = counts.get(name, 1)
        films = {f"panel {index + 1}": lambda name=name, index=index: panel(originals[name], index, counts[name])
                 for index in range(1, count)}
        clip = Clip(folder, name, file, films, given.frames)
        found, seen = measure(clip, crf, lpips)
        print(f"\n{table(clip, found)}\n", flush=True)
        reached += figures(name, found, seen)
    return print_figures(reached)


if __name__ == "__main__":
    sys.exit(main())
