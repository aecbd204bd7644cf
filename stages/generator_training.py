"""Generator training (paper sections 2.2 and 2.4): trains the network that maps poses to foregrounds of the target.

Reads frames, masks, background and poses of the subject, and uses only the training frames of the timeline. Writes the
folder `generator/`: the moving average of the weights (model.safetensors), their description (about.json), the losses
of every step (log.parquet), previews of skeletons, generated and real foregrounds (preview_*.png) and, with a limb
atlas, its textures (atlas.png) and where and with which offsets they are seen (charts.png). Also writes `plots`, the losses as curves.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import torch

from stages import InputError, __version__, threads
from stages.learning import devices, saved_networks
from stages.learning.atlas_sheet import atlas_sheet, chart_colours
from stages.learning.batches import Batch, Batches
from stages.learning.checkpoints import Checkpoint
from stages.learning.divergence import Diverged, DivergenceCheck, guessing
from stages.learning.frame_store import FrameStore
from stages.learning.memory import suggest_settings
from stages.learning.objective import LOSSES
from stages.learning.preview_sheet import preview_sheet
from stages.learning.training import Training
from stages.losses.adversarial import chance_level
from stages.media import curves, files, parquet, png
from stages.media.pose_table import read_poses
from stages.media.sampling import evenly_spaced_indices
from stages.media.timeline import read_timeline, too_short_error
from stages.nets.atlas import AtlasGenerator
from stages.progress import Progress

if TYPE_CHECKING:
    from stages.params import GeneratorTraining, Subject

LOG = pa.schema([("step", pa.int32())] + [(name, pa.float32()) for name in LOSSES])
CHECK_INTERVAL = 10  # steps between two checks: until then the losses stay on the device, to avoid synchronisation
PREVIEW_FRAMES = 6


def run(*, frames: Path, timeline: Path, masks: Path, background: Path, poses: Path, generator: Path, plots: Path,
        params: "GeneratorTraining", entry: "Subject", key: str) -> None:
    """Trains the generator, or resumes from the last checkpoint. Raises InputError without consent, if the video has
    too few training frames, if pre-trained weights of VGG are missing, if memory runs out, and if the training
    diverges."""
    consent = entry.require_consent(key)
    times = read_timeline(timeline)
    training_frames = times.training_frames()
    pose, _, _ = read_poses(poses)
    if times.longest_clip() < params.clip_length:
        raise too_short_error(timeline, params.clip_length)
    fabric = devices.fabric(params.device, params.devices, params.precision)
    stage_threads = threads.Threads(
        params.adversarial_interval, fixed=params.compile or fabric.device.type != "cpu")
    data = FrameStore(frames, masks, background, pose[training_frames], len(training_frames), fabric.device,
                      times.take[training_frames], params.shadows)
    batches = Batches(data, params, fabric.device)
    training = Training(params, fabric, batches.in_channels, data)
    params = training.params  # with a number of steps in place of epochs
    checkpoint = Checkpoint(f"generator_training@{key}", [frames, timeline, masks, background, poses], params)
    previews = checkpoint.path.with_suffix("")  # the folder of the previews made so far

    log = train(training, batches, checkpoint, previews, stage_threads)
    if fabric.global_rank:
        return
    steps, losses = np.arange(params.steps) + 1, dict(zip(LOSSES, log.T))
    multiscale = params.discriminators == "multiscale"
    about = {
        "architecture": params.architecture, "shape": training.shape, "size": data.size, "parts": list(params.parts),
        "pose_maps": params.pose_maps, "pose_context": params.pose_context, "shadows": params.shadows, "crop": params.crop,
        "crop_margin": params.crop_margin, "steps": params.steps, "features": params.features,
        "training_frames": data.count, "consent": consent, "consent_record": entry.model_dump(mode="json")["consent"],
        "gw_skipped": training.gw_skipped, "discriminators_guessing": guessing(
            losses, training.discriminators, chance_level(params.adversarial, params.scales if multiscale else 1)),
        "threads": stage_threads.about, "version": __version__,
    }
    curves.write(plots, "step", steps, losses)
    with files.atomic_write(generator) as folder:
        saved_networks.save(folder, training.average.state_dict(), about)
        parquet.write(folder / "log.parquet", LOG, {"step": steps} | losses)
        for picture in sorted(previews.glob("*.png")):
            picture.rename(folder / picture.name)
    files.remove(previews)
    checkpoint.remove()
    print(f"generator of {key}: {params.steps} steps on {data.count} frames, {params.features} features, "
          f"L1 {log[-20:, LOSSES.index('l1')].mean():.4f} over the last steps; {stage_threads}")


def train(training: Training, batches: Batches, checkpoint: Checkpoint, previews: Path, stage_threads: threads.Threads
          ) -> np.ndarray:
    """Makes all remaining steps. Returns the losses of all steps, (steps, len(LOSSES))."""
    params, fabric = training.params, training.fabric
    log = np.empty((0, len(LOSSES)), np.float32)
    if state := checkpoint.load():
        training.restore(state["training"])
        log = state["log"].numpy()
        stage_threads.used.update(state["threads"])
        print(f"resumed at step {training.step} of {params.steps}")
    else:
        training.initialise(batches)
    divergence, unchecked = DivergenceCheck(LOSSES, tuple(f"d_{name}" for name in training.discriminators)), []
    is_first = fabric.global_rank == 0
    progress = Progress(total=params.steps, initial=training.step, desc="generator_training", unit="step",
                        disable=not is_first)
    while training.step < params.steps:
        try:
            with stage_threads:
                unchecked.append(training.advance(batches))
        except torch.OutOfMemoryError:
            raise InputError(suggest_settings(training, batches)) from None
        progress.update()
        is_last = training.step == params.steps
        saves = training.step % params.checkpoint_every == 0
        shows = training.step % params.preview_every == 0 or is_last
        if not (saves or shows or training.step % CHECK_INTERVAL == 0 or is_last):
            continue
        rows = torch.stack(unchecked)
        devices.average(fabric, [rows])
        rows, unchecked = rows.cpu().numpy(), []
        try:
            divergence.check(len(log) + 1, rows)
            if saves and not training.is_finite():
                raise Diverged(f"weights are not finite numbers in step {training.step}; lower learning_rate")
        except Diverged as error:
            kept = f"the last good state is {checkpoint.path}" if checkpoint.path.exists() else "no state was kept yet"
            raise Diverged(f"generator_training: {error}; {kept}") from None
        log = np.concatenate([log, rows])
        progress.set_postfix({name: f"{rows[-1, LOSSES.index(name)]:.4f}" for name in ("l1", "gw")}, refresh=False)
        if shows and is_first:
            batch = batches.without_augmentation(evenly_spaced_indices(batches.data.count, PREVIEW_FRAMES))
            png.write(previews / f"preview_{training.step:06d}.png", preview(training, batch))
            for name, picture in atlas_pictures(training, batch).items():
                png.write(previews / name, picture)
        if saves and is_first:
            checkpoint.save({"training": training.state(), "log": torch.from_numpy(log),
                             "threads": dict(stage_threads.used)})
    progress.close()
    return log


@torch.no_grad()
def atlas_pictures(training: Training, batch: Batch) -> dict[str, np.ndarray]:
    """Pictures of a limb atlas, RGB uint8 by file name: the textures; and for real foregrounds, which charts are seen in
    each pixel, and the offsets of the positions in their textures. Empty for other generators."""
    if not isinstance(training.average, AtlasGenerator):
        return {}
    maps = training.average.maps(batch.pose_maps, batch.charts, chart_colours(batch.real.device))
    return {"atlas.png": atlas_sheet(training.average.colours()),
            "charts.png": preview_sheet([batch.real[:, :3], *(one * batch.real[:, 3:] for one in maps)])}


@torch.no_grad()
def preview(training: Training, batch: Batch) -> np.ndarray:
    """Skeletons, generated and real foregrounds of six training frames, (3 h, 6 w, 3) RGB uint8."""
    skeletons = torch.nn.functional.interpolate(batch.skeletons, batch.real.shape[-2:])
    return preview_sheet([skeletons, training.average(batch.pose_maps, batch.charts)[:, :3], batch.real[:, :3]])
