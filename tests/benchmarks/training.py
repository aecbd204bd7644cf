"""Learning: how fast and how good, beside its goals: python -m tests.benchmarks.training

Renders strangers, prepares them with the demo preset, and trains for equal time on this machine: the demo's generator
and the baseline (the variant `edn`, Everybody Dance Now at full width). Prints one row a figure and exits with 1 where
one is missed. Takes about 35 minutes on two cores with the defaults.

--only gw,speed      some of: gw, speed, share, equal, parts, demo, inference, gpu
--people 3           strangers of equal
--seconds 120        of each training of equal, the demo's budget
--keep DIR           works in DIR and leaves it; what is already prepared there is not made again
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
from stages.evaluation import metric_networks
from stages.learning.checkpoints import Checkpoint
from stages.params import GeneratorTraining, Params
from tests.benchmarks import gromov_wasserstein, held_out
from tests.benchmarks.figures import Figure, command, verdict
from tests.benchmarks.inference import inference
from tests.benchmarks.local_gans import local_gans

ROOT = Path(__file__).parents[2]
MEASURES = ("psnr", "ssim", "box", "tcm", "lpips")
PEOPLE = ("stranger_301", "stranger_302", "stranger_303")


def blocks() -> dict[str, GeneratorTraining]:
    """What is compared: the demo's generator and Everybody Dance Now's on the same frames."""
    params = Params(**yaml.safe_load((ROOT / "params.yaml").read_text()))
    return {"best": params.presets["demo"].generator_training, "edn": params.varied("demo", "edn").generator_training}


def gw(_) -> list[Figure]:
    return gromov_wasserstein.gw(Path())


def speed(wanted) -> list[Figure]:
    """Images a second of whole training steps."""
    prepare(wanted, PEOPLE[:1])
    rates = {}
    for name, block in blocks().items():
        frames = block.clips * block.clip_length + block.single_frames
        rates[name] = frames / held_out.rate(wanted.folder, PEOPLE[0], block, 10 if name == "best" else 2)
    remark = ", ".join(f"{name} {rate:.2f} images/s" for name, rate in rates.items())
    return [Figure("training images/s at 256 x 256, best / edn at full width", rates["best"] / rates["edn"], 4,
                   remark=remark)]


def share(wanted) -> list[Figure]:
    """Of whole training, its log, checkpoint and preview among it: all but `advance`, and in that the batches."""
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
        generator_training.train(training, batches, Checkpoint("share", [], block), Path("previews"),
                                 threads.Threads(block.adversarial_interval))
        whole = time.perf_counter() - begun
    data, rest = 100 * spent["batches"] / whole, 100 * (1 - spent["advance"] / whole)
    return [Figure("share of step time outside network compute", data + rest, 5, "%", True,
                   f"data and drawing {data:.1f}, log, checkpoint and preview {rest:.1f}")]


def equal(wanted) -> list[Figure]:
    """Held-out quality after equal time."""
    people = PEOPLE[: wanted.people]
    try:
        lpips = metric_networks.lpips_network()
    except pretrained.Missing:
        lpips = None
    prepare(wanted, people)
    found = {name: [] for name in blocks()}
    for person in people:
        for name, block in blocks().items():
            to = wanted.folder / f"{person}_{name}_{wanted.seconds:g}"
            steps, seconds = held_out.train(wanted.folder, person, block, wanted.seconds, to)
            found[name].append(held_out.scores(wanted.folder, person, to, lpips=lpips))
            score = found[name][-1]
            print(f"{person} {name}: {steps} steps in {seconds:.0f} s, {score.psnr:.2f} dB, SSIM {score.ssim:.3f}, "
                  f"in the box {score.box:.2f} dB, TCM {score.tcm:.3f}, LPIPS {score.lpips:.4f}")
    mean = {name: {what: np.mean([getattr(score, what) for score in scores]) for what in MEASURES}
            for name, scores in found.items()}
    best, edn = mean["best"], mean["edn"]
    return [
        Figure("held-out PSNR at equal time, best - edn", best["psnr"] - edn["psnr"], 1.5, "dB",
               remark=f"{best['psnr']:.2f} against {edn['psnr']:.2f}, "
                      f"in the box {best['box']:.2f} against {edn['box']:.2f}"),
        Figure("held-out TCM, best - edn", best["tcm"] - edn["tcm"], 0, remark=f"{best['tcm']:.3f} - {edn['tcm']:.3f}"),
        Figure("LPIPS at equal time, lower than edn's by", 100 * (1 - best["lpips"] / edn["lpips"]), 15, "%",
               remark=f"{best['lpips']:.4f} against {edn['lpips']:.4f}") if lpips else
        Figure("LPIPS at equal time, lower than edn's by", None, 15, "%", remark="AlexNet's weights could not be had"),
    ]


def parts(wanted) -> list[Figure]:
    return local_gans(wanted.folder)


def demo(_) -> list[Figure]:
    """What the last `make demo` in this checkout scored."""
    scores = ROOT / "artifacts/ava_from_ava/metrics.json"
    found = json.loads(scores.read_text())["metrics"] if scores.exists() else {}
    value = {name: found.get(name, {}).get("value") for name in
             ("psnr", "ssim", "psnr_person_box", "retrieval_psnr_person_box")}
    above = value["psnr_person_box"] - value["retrieval_psnr_person_box"] if found else None
    why = "" if found else "run `make demo` before"
    return [Figure("demo: held-out frames, PSNR", value["psnr"], 30, "dB", remark=why),
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


def main() -> int:
    parser = command(__doc__, PARTS)
    parser.add_argument("--people", type=int, default=len(PEOPLE), choices=range(1, len(PEOPLE) + 1))
    parser.add_argument("--seconds", type=float, default=120.0)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        wanted.folder = (wanted.keep or Path(scratch)).resolve()
        figures = [figure for part in wanted.only for figure in PARTS[part](wanted)]
    return verdict(figures)


if __name__ == "__main__":
    sys.exit(main())
