"""Sharpness and perceived quality of a preset's generator, compared with goals: python -m tests.benchmarks.sharp

Trains the generator of a preset, as often as there are seeds, on rendered people (ava of params.yaml, and people who were not
used during development; one of them in the hard world of `samples`) and on real clips, and scores the held-out frames: the
composites of Eq. 12 without local GANs, watermark and H.264. The part `demo` shows the scores of the last `make demo` in this
checkout, as delivered. Prints one row for each figure, the means over seeds, and exits with 1 if a goal is missed. Takes
about 5 minutes for each person and seed on two cores.

--only people,demo,inference   some of: people, clips, demo, inference
--clips FILE ...     videos of one person, for `clips`; the last fifth is held out
--seeds N            number of seeds (3)
--people N           number of rendered people, ava first (4)
--preset NAME        demo
--keep DIR           works in DIR and keeps it; artifacts that are there are not computed again
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from stages.evaluation.metric_names import ALIGNED_PSNR, LPIPS, SHARPNESS
from stages.params import Params, load
from tests.benchmarks import held_out
from tests.benchmarks.figures import Figure, argument_parser, print_figures
from tests.benchmarks.inference import speed

ROOT = Path(__file__).parents[2]
PERCEIVED = LPIPS[1]  # LPIPS in the person's box
AVA, HARD = "ava", "stranger_312"
PEOPLE = (AVA, "stranger_311", HARD, "stranger_313")
LPIPS_GOAL, VGG_GOAL, SHARPNESS_GOAL, PSNR_GOAL, SSIM_GOAL = 0.055, 0.09, (0.9, 1.1), 28.0, 0.942
FRAME_RATE_GOALS = {256: 40, 512: 12}  # frames/s
SCORES = (PERCEIVED, SHARPNESS, ALIGNED_PSNR, "tcm", "psnr", "ssim", held_out.FACE_AND_HANDS, held_out.LPIPS_VGG)


def people(wanted: argparse.Namespace, params: Params) -> list[Figure]:
    figures = []
    for name in PEOPLE[: wanted.people]:
        folder = wanted.folder / name
        held_out.prepare(folder, {name: "rendered"}, world="hard" if name == HARD else "plain")
        figures += compared(folder, name, wanted, params, name == AVA)
    return figures


def clips(wanted: argparse.Namespace, params: Params) -> list[Figure]:
    figures = []
    for file in wanted.clips:
        held_out.prepare(wanted.folder / file.stem, {file.stem: str(file.resolve())})
        figures += compared(wanted.folder / file.stem, file.stem, wanted, params, False)
    return figures


def compared(folder: Path, name: str, wanted: argparse.Namespace, params: Params, goals: bool) -> list[Figure]:
    """The mean scores over all seeds. goals: whether the goals are those of this person."""
    block, found = params.presets[wanted.preset].generator_training, []
    for seed in range(wanted.seeds):
        to = folder / f"{wanted.preset}_{seed}"
        if not to.exists():
            held_out.learn(folder, name, block.model_copy(update={"seed": seed}), block.steps, to)
        found.append(held_out.scores(folder, name, to))
    mean, spread = ({score: float(function([one[score] for one in found])) for score in SCORES}
                    for function in (np.mean, np.std))

    def figure(score: str, goal: float | None, at_most: bool = False) -> Figure:
        return Figure(f"{name}: {score}", mean[score], goal if goals else None, at_most=at_most,
                      remark=f"standard deviation of {len(found)} seeds {spread[score]:.4f}")

    return [figure(PERCEIVED, LPIPS_GOAL, True), figure(SHARPNESS, SHARPNESS_GOAL[0]), figure("tcm", None),
            figure(ALIGNED_PSNR, None), figure("psnr", PSNR_GOAL), figure("ssim", SSIM_GOAL),
            figure(held_out.FACE_AND_HANDS, None), figure(held_out.LPIPS_VGG, VGG_GOAL, True)]


def demo(wanted: argparse.Namespace, params: Params) -> list[Figure]:
    """The delivered videos of the last `make demo`."""
    figures = []
    for key in ("ava_from_ava", "ava_from_ben"):
        scores = ROOT / "artifacts" / key / "metrics.json"
        found = json.loads(scores.read_text())["metrics"] if scores.exists() else {}
        value = {name: found.get(name, {}).get("value") for name in (f"video_{PERCEIVED}", f"video_{SHARPNESS}", "tcm")}
        goal, remark = key == "ava_from_ava", "" if found else "run `make demo` before"
        figures += [
            Figure(f"{key}: LPIPS of the person as delivered", value[f"video_{PERCEIVED}"], LPIPS_GOAL if goal else None, "",
                   True, remark),
            Figure(f"{key}: sharpness as delivered", value[f"video_{SHARPNESS}"], SHARPNESS_GOAL[0] if goal else None,
                   remark=remark),
            Figure(f"{key}: TCM", value["tcm"], None, remark=remark)]
    return figures


def inference(wanted: argparse.Namespace, params: Params) -> list[Figure]:
    return [Figure(f"inference: frames/s at {size}", speed(size, preset=wanted.preset), goal)
            for size, goal in FRAME_RATE_GOALS.items()]


PARTS = {part.__name__: part for part in (people, clips, demo, inference)}


def main() -> int:
    parser = argument_parser(__doc__, PARTS)
    parser.add_argument("--clips", type=Path, nargs="+", default=[])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--people", type=int, default=len(PEOPLE), choices=range(1, len(PEOPLE) + 1))
    parser.add_argument("--preset", default="demo")
    wanted, params = parser.parse_args(), load(ROOT / "params.yaml")
    with tempfile.TemporaryDirectory() as scratch:
        wanted.folder = (wanted.keep or Path(scratch)).resolve()
        figures = [figure for part in wanted.only for figure in PARTS[part](wanted, params)]
    return print_figures(figures)


if __name__ == "__main__":
    sys.exit(main())
