"""Speed and quality of training, compared with goals: python -m tests.benchmarks.training

Renders people that were not used during development and prepares them with the demo preset. The demo's generator and
the baseline (the variant `edn`, Everybody Dance Now at full width) are trained for equal time on this machine. Prints
one row for each figure, and exits with 1 if a goal is missed. `equal` and `parts` need the weights of LPIPS
(python -m pipeline weights take). Takes about 35 minutes on two cores with the defaults.

--only gw,speed      some of: gw, speed, share, equal, parts, demo, inference, gpu
--people 3           number of people of `equal`
--seconds 120        training time of `equal`; the default is that of the demo
--keep DIR           works in DIR and keeps it; artifacts that are there are not computed again
"""

import contextlib
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import yaml

from stages import generator_training, pretrained, threads
from stages.evaluation.metric_names import ALIGNED_PSNR, LPIPS, SHARPNESS
from stages.learning.checkpoints import Checkpoint
from stages.params import GeneratorTraining, Params
from tests.benchmarks import gromov_wasserstein, held_out
from tests.benchmarks.comparison import format_scores
from tests.benchmarks.figures import Figure, argument_parser, print_figures
from tests.benchmarks.inference import inference
from tests.benchmarks.local_gans import local_gans

ROOT = Path(__file__).parents[2]
PERCEIVED = LPIPS[1]  # LPIPS in the person's box
PEOPLE = ("stranger_301", "stranger_302", "stranger_303")


def blocks() -> dict[str, GeneratorTraining]:
    """The parameters that are compared: the demo's generator and the one of Everybody Dance Now, on the same frames."""
    params = Params(**yaml.safe_load((ROOT / "params.yaml").read_text()))
    return {"best": params.presets["demo"].generator_training,
            "edn": params.with_variants("demo", "edn").generator_training}


def gw(_) -> list[Figure]:
    return gromov_wasserstein.gw(Path())


def speed(wanted) -> list[Figure]:
    """Images per second of whole training steps."""
    prepare(wanted, PEOPLE[:1])
    rates = {}
    for name, block in blocks().items():
        frames = block.clips * block.clip_length + block.single_frames
        rates[name] = frames / held_out.rate(wanted.folder, PEOPLE[0], block, 10 if name == "best" else 2)
    remark = ", ".join(f"{name} {rate:.2f} images/s" for name, rate in rates.items())
    return [Figure("training images/s at 256 x 256, best / edn at full width", rates["best"] / rates["edn"], 4,
                   remark=remark)]


def share(wanted) -> list[Figure]:
    """The share of the training time that is not network computation: log, checkpoint, preview, and loading batches."""
    prepare(wanted, PEOPLE[:1])
    block = blocks()["best"].model_copy(update={"steps": 100, "checkpoint_every": 100, "preview_every": 100})
    batches, training = held_out.begin(wanted.folder, PEOPLE[0], block)
    training.advance(batches)
    training.step, spent = 0, {"advance": 0.0, "batches": 0.0}

    def timed(function, name):
        def run(*given):
            begun = time.perf_counter()
            found = function(*given)
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            spent[name] += time.perf_counter() - begun
            return found
        return run

    def timed_batch(*arguments, at_step=timed(batches.at_step, "batches")):
        batch = at_step(*arguments)
        batch.draw_skeletons = timed(batch.draw_skeletons, "batches")
        return batch

    training.advance, batches.at_step = timed(training.advance, "advance"), timed_batch
    with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(scratch):
        begun = time.perf_counter()
        generator_training.train(training, batches, Checkpoint("generator_training@share", [], block), Path("previews"),
                                 threads.Threads(block.adversarial_interval))
        whole = time.perf_counter() - begun
    data, rest = 100 * spent["batches"] / whole, 100 * (1 - spent["advance"] / whole)
    return [Figure("share of step time outside network compute", data + rest, 5, "%", True,
                   f"data and drawing {data:.1f}, log, checkpoint and preview {rest:.1f}")]


def equal(wanted) -> list[Figure]:
    """Quality of held-out frames after equal training time."""
    people, found = PEOPLE[: wanted.people], {name: [] for name in blocks()}
    prepare(wanted, people)
    for person in people:
        for name, block in blocks().items():
            to = wanted.folder / f"{person}_{name}_{wanted.seconds:g}"
            steps, seconds = held_out.train(wanted.folder, person, block, wanted.seconds, to)
            found[name].append(held_out.scores(wanted.folder, person, to))
            print(f"{person} {name}: {steps} steps in {seconds:.0f} s; {format_scores(found[name][-1])}")
    best, edn = ({what: np.nanmean([score[what] for score in found[name]]) for what in found[name][0]}
                 for name in ("best", "edn"))
    return [
        Figure("held-out LPIPS in the person's box, lower than edn's by", lower(best, edn, PERCEIVED), 15, "%",
               remark=against(best, edn, PERCEIVED, 4)),
        Figure("held-out sharpness, of the truth's", best[SHARPNESS], None, remark=against(best, edn, SHARPNESS, 2)),
        Figure("held-out aligned PSNR of the box, best - edn", best[ALIGNED_PSNR] - edn[ALIGNED_PSNR], None, "dB",
               remark=against(best, edn, ALIGNED_PSNR, 2)),
        Figure("held-out TCM, best - edn", best["tcm"] - edn["tcm"], 0, remark=against(best, edn, "tcm", 3)),
        Figure("held-out LPIPS, lower than edn's by", lower(best, edn, "lpips"), 15, "%",
               remark=against(best, edn, "lpips", 4)),
        Figure("held-out PSNR, best - edn", best["psnr"] - edn["psnr"], 1.5, "dB",
               remark=against(best, edn, "psnr", 2)),
    ]


def lower(best: dict[str, float], edn: dict[str, float], what: str) -> float:
    """The percentage by which a score of the demo is lower than that of Everybody Dance Now."""
    return 100 * (1 - best[what] / edn[what])


def against(best: dict[str, float], edn: dict[str, float], what: str, digits: int) -> str:
    return f"{best[what]:.{digits}f} against {edn[what]:.{digits}f}"


def parts(wanted) -> list[Figure]:
    return local_gans(wanted.folder)


def demo(_) -> list[Figure]:
    """The scores of the last `make demo` in this checkout."""
    scores = ROOT / "artifacts/ava_from_ava/metrics.json"
    found = json.loads(scores.read_text())["metrics"] if scores.exists() else {}
    value = {name: found.get(name, {}).get("value") for name in
             (PERCEIVED, f"retrieval_{PERCEIVED}", SHARPNESS, "psnr", "ssim", "psnr_person_box",
              "retrieval_psnr_person_box")}
    above = value["psnr_person_box"] - value["retrieval_psnr_person_box"] if found else None
    why = "" if found else "run `make demo` before"
    copied = value[f"retrieval_{PERCEIVED}"]
    return [Figure("demo: held-out frames, LPIPS in the person's box", value[PERCEIVED], None,
                   remark=why if copied is None else f"retrieval {copied:.4f}"),
            Figure("demo: held-out frames, sharpness", value[SHARPNESS], None, remark=why),
            Figure("demo: held-out frames, PSNR", value["psnr"], 30, "dB", remark=why),
            Figure("demo: held-out frames, SSIM", value["ssim"], 0.94, remark=why),
            Figure("demo: person's box, above nearest-pose retrieval", above, 4, "dB", remark=why)]


def gpu(wanted) -> list[Figure]:
    """The paper's training: 1,500 frames, 120 epochs, 512 x 512."""
    what = "512 x 512 `paper` training, 1,500 frames x 120 epochs"
    if not torch.cuda.is_available():
        return [Figure(what, None, 30, "min", True, "no GPU here")]
    block = Params(**yaml.safe_load((ROOT / "params.yaml").read_text())).presets["paper"].generator_training
    folder = wanted.folder / "large"
    held_out.prepare(folder, {"stranger_304": "rendered"}, size=512)
    torch.cuda.reset_peak_memory_stats()
    seconds = held_out.rate(folder, "stranger_304", block, 20)
    memory = torch.cuda.max_memory_allocated() / 2**30
    return [Figure(what, block.steps * seconds / 60, 30, "min", True, f"{torch.cuda.get_device_name()}, extrapolated"),
            Figure("its memory", memory, 24, "GiB", True)]


def prepare(wanted, people: tuple[str, ...]) -> None:
    held_out.prepare(wanted.folder, dict.fromkeys(people, "rendered"))


PARTS = {part.__name__: part for part in (gw, speed, share, equal, parts, demo)} | {
    "inference": lambda _: inference(), "gpu": gpu}
JUDGED = {"equal", "parts"}  # parts that need LPIPS


def main() -> int:
    parser = argument_parser(__doc__, PARTS)
    parser.add_argument("--people", type=int, default=len(PEOPLE), choices=range(1, len(PEOPLE) + 1))
    parser.add_argument("--seconds", type=float, default=120.0)
    wanted = parser.parse_args()
    if JUDGED & set(wanted.only):
        try:
            pretrained.find(pretrained.ALEXNET)
        except pretrained.MissingWeights as error:
            parser.error(str(error))
    with tempfile.TemporaryDirectory() as scratch:
        wanted.folder = (wanted.keep or Path(scratch)).resolve()
        figures = [figure for part in wanted.only for figure in PARTS[part](wanted)]
    return print_figures(figures)


if __name__ == "__main__":
    sys.exit(main())
