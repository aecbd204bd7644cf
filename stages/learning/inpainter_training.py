"""Trains the inpainter, self-supervised, on the one background that it has to complete, and completes it.

For training, additional holes are cut into the known part of the background. They have the shape of the hole to be
filled, moved and mirrored, or are free-form strokes. Pixels that are unknown (`unseen`) are holes in every training
sample, and are ignored by all losses. Images are RGB (H, W, 3) uint8, holes (H, W) bool.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from stages import InputError, pretrained, threads
from stages.learning import devices
from stages.learning.optimisers import minimise
from stages.media import artifact_metadata
from stages.nets.inpainter import Inpainter, PatchDiscriminator
from stages.progress import Progress

if TYPE_CHECKING:
    from stages.params import BackgroundInpainting

OWN_SHAPE_SHARE = 0.7          # share of the training holes with the shape of the hole to be filled; the rest: strokes
MAX_SHIFT = 0.5, 0.15          # largest horizontal and vertical translation of that shape, share of the image's side
BRUSH_WIDTH = 12 / 256, 40 / 256  # smallest and largest width of a stroke, share of the shorter side
ROBUST = 2.0                   # an error e counts as e / (1 + ROBUST e): less weight for unpredictable content
DISCRIMINATOR_WIDTH = 64 / 48  # the discriminator's width relative to that of the inpainter
TELEA_RADIUS = 3               # pixels
WARM_UP, DECAY = 0.1, 0.5      # first and last share of the steps, in which the learning rate rises and falls


def inpaint(image: np.ndarray, hole: np.ndarray, params: "BackgroundInpainting") -> np.ndarray:
    """Trains an inpainter on the image and returns the image with its hole filled. Other pixels are unchanged."""
    height, width = hole.shape
    borders = (0, -height % 8, 0, -width % 8)
    padded = cv2.copyMakeBorder(image, *borders, cv2.BORDER_REPLICATE)
    unseen = cv2.copyMakeBorder(hole.astype(np.uint8), *borders, cv2.BORDER_CONSTANT, value=1) > 0
    device = devices.choose(params.device)
    network = train(padded, unseen, params, device).eval()
    images, holes = image_tensor(telea(padded, unseen))[None].to(device), mask_tensor(unseen)[None].to(device)
    with torch.no_grad():  # mean of the results for the image and the mirrored image (training mirrors images too)
        plain, mirrored = network(images, holes)[1], network(images.flip(-1), holes.flip(-1))[1].flip(-1)
    filled = (((plain + mirrored) / 2 + 1) * 127.5).clamp(0, 255).round()[0].byte().permute(1, 2, 0).cpu().numpy()
    return np.where(hole[..., None], filled[:height, :width], image)


def train(image: np.ndarray, unseen: np.ndarray, params: "BackgroundInpainting", device: torch.device) -> Inpainter:
    """The inpainter after `params.steps` training steps on this image, whose H and W are multiples of 8. The initial
    weights are those of the file `params.weights`, or random. Raises InputError if there are neither steps nor
    weights, or if the file does not fit."""
    if not params.steps and not params.weights:
        raise InputError("params.yaml: background_inpainting: `inpainter: gated` with 0 steps needs `weights`")
    torch.manual_seed(params.seed)
    network = Inpainter(params.width).to(device)
    if params.weights:
        load_weights(network, Path(params.weights))
    training = InpainterTraining(network, params)
    rng = np.random.default_rng(params.seed)
    stage_threads = threads.Threads(fixed=device.type != "cpu")
    for step in Progress(range(params.steps), "gated inpainter", unit="step"):
        samples = zip(*(training_sample(rng, image, unseen) for _ in range(params.batch)))
        with stage_threads:
            training.advance(*(torch.stack(tensors).to(device) for tensors in samples), step / params.steps)
    artifact_metadata.add({"threads": json.dumps(stage_threads.about)})
    print(f"gated inpainter: {params.steps} steps; {stage_threads}")
    return network


def load_weights(network: Inpainter, path: Path) -> None:
    """Loads the weights of a file into the network. Raises InputError if their names or shapes do not fit."""
    try:
        network.load_state_dict(pretrained.load(path))
    except RuntimeError as error:
        width = network.coarse[0].both.out_channels // 2
        raise InputError(f"{path}: not the weights of this inpainter at background_inpainting.width {width}: "
                         f"{str(error).splitlines()[1].strip()}") from None


def training_sample(rng: np.random.Generator, image: np.ndarray, unseen: np.ndarray) -> tuple[Tensor, ...]:
    """A training sample, the four arguments of `InpainterTraining.advance`: the image with one additional hole, all
    holes filled by Telea's method (3, H, W); the mask of all holes (1, H, W); the original image (3, H, W); and the
    mask of the known pixels in the additional hole, where the losses are computed (1, H, W)."""
    further = moved_shape(rng, unseen) if rng.random() < OWN_SHAPE_SHARE else None
    if further is None:
        further = strokes(rng, unseen.shape)
    holes = unseen | further
    sample = image_tensor(telea(image, holes)), mask_tensor(holes), image_tensor(image), mask_tensor(further & ~unseen)
    return tuple(part.flip(-1) for part in sample) if rng.random() < 0.5 else sample


def moved_shape(rng: np.random.Generator, unseen: np.ndarray) -> np.ndarray | None:
    """The shape of the hole, moved to a place where the background is known, and mirrored with probability 1/2, (H, W)
    bool. None if no such place is found in eight trials."""
    height, width = unseen.shape
    shape = unseen.astype(np.uint8)
    if rng.random() < 0.5:
        shape = np.ascontiguousarray(shape[:, ::-1])
    for _ in range(8):
        across, down = rng.uniform(-1, 1, 2) * MAX_SHIFT * np.array([width, height])
        found = cv2.warpAffine(shape, np.float32([[1, 0, round(across)], [0, 1, round(down)]]), (width, height)) > 0
        if (found & ~unseen).sum() > 0.25 * unseen.sum():
            return found
    return None


def strokes(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """A mask of `shape` (H, W) bool with one to three free-form brush strokes (Yu et al. 2019)."""
    canvas, side = np.zeros(shape, np.uint8), min(shape)
    for _ in range(rng.integers(1, 4)):
        point, angle = rng.uniform(0, 1, 2) * shape[::-1], rng.uniform(0, 2 * np.pi)
        for _ in range(rng.integers(4, 10)):
            angle += rng.uniform(-1.2, 1.2)
            target = point + rng.uniform(0.1, 0.3) * side * np.array([np.cos(angle), np.sin(angle)])
            brush = max(2, round(rng.uniform(*BRUSH_WIDTH) * side))
            cv2.line(canvas, point.astype(int).tolist(), target.astype(int).tolist(), 1, brush)
            point = np.clip(target, 0, np.array(shape[::-1]) - 1)
    return canvas > 0


def telea(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """The image with its hole filled by Telea's method: the input that the networks correct."""
    return cv2.inpaint(image, hole.astype(np.uint8), TELEA_RADIUS, cv2.INPAINT_TELEA)


class InpainterTraining:
    """The inpainter and its discriminator, with their optimisers."""

    def __init__(self, network: Inpainter, params: "BackgroundInpainting"):
        self.params, self.network = params, network
        self.discriminator = PatchDiscriminator(round(DISCRIMINATOR_WIDTH * params.width)).to(
            next(network.parameters()).device)
        self.optimiser, self.discriminator_optimiser = (
            torch.optim.Adam(part.parameters(), params.learning_rate, (0.5, 0.999))
            for part in (network, self.discriminator))

    def advance(self, started: Tensor, holes: Tensor, images: Tensor, counted: Tensor, progress: float) -> float:
        """One step of both networks. Returns the mean absolute error of the refined images, whose range is [-1, 1],
        over the pixels `counted`.

        started: images filled by Telea's method. counted: the mask of the pixels where the losses are computed. For all
        shapes see `training_sample`, with a leading batch axis. progress: share of the steps that are done, in
        [0, 1)."""
        for optimiser in (self.optimiser, self.discriminator_optimiser):
            rise, fall = (progress + 1 / self.params.steps) / WARM_UP, (1 - progress) / DECAY
            optimiser.param_groups[0]["lr"] = self.params.learning_rate * min(1, rise, fall)
        with devices.autocast(started.device):
            coarse, refined = self.network(started, holes)
            real = torch.where((holes > 0) & (counted == 0), started, images)  # unknown pixels: equal in real and fake
            fake = torch.where(counted > 0, refined, real)
            adversarial = refined.new_zeros(())
            if self.params.weight_adversarial:
                minimise(F.relu(1 - self.discriminator(real, holes)).mean()
                         + F.relu(1 + self.discriminator(fake.detach(), holes)).mean(),
                         self.discriminator, self.discriminator_optimiser)
                adversarial = -self.discriminator(fake, holes).mean()
            l1 = sum(robust_l1(found, images, counted) for found in (coarse, refined))
            minimise(l1 + self.params.weight_adversarial * adversarial, self.network, self.optimiser)
        return ((refined - images).abs() * counted).sum().item() / (3 * counted.sum().item() + 1e-6)


def robust_l1(images: Tensor, true: Tensor, counted: Tensor) -> Tensor:
    """Mean absolute error over the pixels `counted`, with less weight for large errors."""
    error = (images - true).abs()
    return (counted * error / (1 + ROBUST * error.detach())).sum() / (3 * counted.sum() + 1e-6)


def image_tensor(image: np.ndarray) -> Tensor:
    """(H, W, 3) uint8 -> (3, H, W) in [-1, 1]."""
    return torch.from_numpy(image).permute(2, 0, 1).float() / 127.5 - 1


def mask_tensor(hole: np.ndarray) -> Tensor:
    """(H, W) bool -> (1, H, W)."""
    return torch.from_numpy(hole)[None].float()
