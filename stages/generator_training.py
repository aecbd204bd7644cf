"""Generator training (paper sections 2.2 and 2.4): poses of the target -> their foreground.

In: frames, masks, background and poses of the subject; only the training part of the clock is seen. Out: the folder
`generator/`: the averaged weights (model.safetensors), what they are (about.json), the losses of every step
(log.parquet) and previews: skeleton, generated and true foreground (preview_*.png); `plots`: the losses as curves.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import torch

from stages import InputError, __version__, threads
from stages.learning import devices, frame_store, saved_networks
from stages.learning.batches import Batches
from stages.learning.checkpoints import Checkpoint
from stages.learning.divergence import Diverged, DivergenceCheck
from stages.learning.memory import advice
from stages.learning.training import LOSSES, Training
from stages.media import clock as clocks, curves, files, parquet, png
from stages.pose.skeleton import read_poses
from stages.progress import Progress

if TYPE_CHECKING:
    from stages.params import GeneratorTraining, Subject

LOG = pa.schema([("step", pa.int32())] + [(name, pa.float32()) for name in LOSSES])
LOOK_EVERY = 10  # steps; the losses stay on the device so long


def run(*, frames: Path, clock: Path, masks: Path, background: Path, poses: Path, generator: Path, plots: Path,
        params: "GeneratorTraining", entry: "Subject", key: str) -> None:
    """Trains, or goes on from the last checkpoint. Raises InputError without consent, without a training part,
    without the pre-trained features that params ask for, where memory runs out, and where the training diverges."""
    consent = entry.require_consent(key)
    timeline = clocks.read_clock(clock)
    training_frames = timeline.training()
    pose, _, _ = read_poses(poses)
    if timeline.longest() < params.clip_length:
        raise clocks.too_short(clock, params.clip_length)
    fabric = devices.fabric(params.device, params.devices, params.precision)
    own = threads.Threads(params.adversarial_interval, fixed=params.compile or fabric.device.type != "cpu")
    data = frame_store.FrameStore(frames, masks, background, pose[training_frames], len(training_frames), fabric.device,
                           timeline.take[training_frames])
    batches = Batches(data, params, fabric.device)
    training = Training(params, fabric, batches.inputs)
    checkpoint = Checkpoint(f"generator_training@{key}", [frames, clock, masks, background, poses], params)
    previews = checkpoint.path.with_suffix("")  # pictures made so far, beside the state

    log = learn(training, batches, checkpoint, previews, own)
    if fabric.global_rank:
        return
    about = {
        "architecture": params.architecture, "shape": training.shape, "size": data.size, "parts": list(params.parts),
        "pose_maps": params.pose_maps, "pose_context": params.pose_context, "crop": params.crop,
        "crop_margin": params.crop_margin, "steps": params.steps, "features": params.features,
        "training_frames": data.count, "consent": consent, "consent_record": entry.model_dump(mode="json")["consent"],
        "threads": own.about, "version": __version__,
    }
    steps, losses = np.arange(params.steps) + 1, dict(zip(LOSSES, log.T))
    curves.write(plots, "step", steps, losses)
    with files.replacing(generator) as folder:
        saved_networks.save(folder, training.average.state_dict(), about)
        parquet.write(folder / "log.parquet", LOG, {"step": steps} | losses)
        for picture in sorted(previews.glob("preview_*.png")):
            picture.rename(folder / picture.name)
    files.remove(previews)
    checkpoint.remove()
    print(f"generator of {key}: {params.steps} steps on {data.count} frames, {params.features} features, "
          f"L1 {log[-20:, LOSSES.index('l1')].mean():.4f} over the last steps; {own}")


def learn(training: Training, batches: Batches, checkpoint: Checkpoint, previews: Path, own: threads.Threads
          ) -> np.ndarray:
    """Every step that is left, by its own threads; the losses of all steps (steps, LOSSES)."""
    params, fabric = training.params, training.fabric
    log = np.empty((0, len(LOSSES)), np.float32)
    if state := checkpoint.load():
        training.restore(state["training"])
        log = state["log"].numpy()
        own.used.update(state["threads"])
        print(f"resumed at step {training.step} of {params.steps}")
    watch, fresh = DivergenceCheck(LOSSES, tuple(f"d_{name}" for name in training.judges)), []
    first = fabric.global_rank == 0
    progress = Progress(total=params.steps, initial=training.step, desc="generator_training", unit="step",
                    disable=not first)
    while training.step < params.steps:
        try:
            with own:
                fresh.append(training.advance(batches))
        except torch.OutOfMemoryError:
            raise InputError(advice(training, batches)) from None
        progress.update()
        saves = training.step % params.checkpoint_every == 0
        shows = training.step % params.preview_every == 0 or training.step == params.steps
        if not (saves or shows or training.step % LOOK_EVERY == 0 or training.step == params.steps):
            continue
        rows = torch.stack(fresh)
        devices.average(fabric, [rows])
        rows, fresh = rows.cpu().numpy(), []
        try:
            watch.look(len(log) + 1, rows)
            if saves and not training.sound():
                raise Diverged(f"weights are no finite numbers any more in step {training.step}; lower learning_rate")
        except Diverged as error:
            kept = f"the last good state is {checkpoint.path}" if checkpoint.path.exists() else "no state was kept yet"
            raise Diverged(f"generator_training: {error}; {kept}") from None
        log = np.concatenate([log, rows])
        progress.set_postfix({name: f"{rows[-1, LOSSES.index(name)]:.4f}" for name in ("l1", "gw")}, refresh=False)
        if shows and first:
            png.write(previews / f"preview_{training.step:06d}.png", preview(training, batches))
        if saves and first:
            checkpoint.save({"training": training.state(), "log": torch.from_numpy(log),
                             "threads": dict(own.used)})
    progress.close()
    return log


@torch.no_grad()
def preview(training: Training, batches: Batches) -> np.ndarray:
    """Skeletons, generated and true foregrounds of six training frames, (3 h, 6 w, 3) RGB."""
    share = batches.at(np.linspace(0, batches.data.count - 1, 6).round().astype(int))
    height, width = share.real.shape[-2:]
    skeletons = torch.nn.functional.interpolate(share.skeletons, (height, width))
    rows = [skeletons, training.average(share.poses)[:, :3], share.real[:, :3]]
    sheet = torch.cat([torch.cat(list(row), 2) for row in rows], 1)  # (3, 3 h, 6 w)
    return (sheet.permute(1, 2, 0).clamp(0, 1) * 255).round().byte().cpu().numpy()
