"""Self-supervised training of the inpainter on the background that it has to complete, and its use.

For training, further holes are cut into the known part of the background: the hole to be filled, moved and mirrored, or
free-form strokes. Pixels that were never seen are holes too, and are ignored by all losses. Images are RGB (H, W, 3)
uint8, holes (H, W) bool.
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

OWN_SHAPE_SHARE = 0.7          # of the training holes; the others are strokes
MAX_SHIFT = 0.5, 0.15          # of the own shape, horizontal and vertical, share of the side
BRUSH_WIDTH = 12 / 256, 40 / 256  # share of the side
ROBUST = 2.0                   # an error e counts as e / (1 + ROBUST e): unforeseeable content has less weight
DISCRIMINATOR_WIDTH = 64 / 48  # relative to the inpainter's
TELEA_RADIUS = 3               # pixels
WARM_UP, DECAY = 0.1, 0.5      # shares of the steps in which the learning rate rises, and falls to zero


def inpaint(image: np.ndarray, hole: np.ndarray, params: "BackgroundInpainting") -> np.ndarray:
    """The image with its hole filled; all other pixels are unchanged."""
    height, width = hole.shape
    borders = (0, -height % 8, 0, -width % 8)
    padded = cv2.copyMakeBorder(image, *borders, cv2.BORDER_REPLICATE)
    unseen = cv2.copyMakeBorder(hole.astype(np.uint8), *borders, cv2.BORDER_CONSTANT, value=1) > 0
    device = devices.choose(params.device)
    network = train(padded, unseen, params, device).eval()
    images, holes = image_tensor(telea(padded, unseen))[None].to(device), mask_tensor(unseen)[None].to(device)
    with torch.no_grad():  # averaged with the mirrored image, as training mirrors too
        plain, mirrored = network(images, holes)[1], network(images.flip(-1), holes.flip(-1))[1].flip(-1)
    filled = (((plain + mirrored) / 2 + 1) * 127.5).clamp(0, 255).round()[0].byte().permute(1, 2, 0).cpu().numpy()
    return np.where(hole[..., None], filled[:height, :width], image)


def train(image: np.ndarray, unseen: np.ndarray, params: "BackgroundInpainting", device: torch.device) -> Inpainter:
    """The inpainter with the weights in params, or random ones, after `params.steps` steps on this image, whose H and W
    are multiples of 8."""
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
    """Loads a file's weights into the network. Raises InputError if they do not fit."""
    try:
        network.load_state_dict(pretrained.load(path))
    except RuntimeError as error:
        width = network.coarse[0].both.out_channels // 2
        raise InputError(f"{path}: not the weights of this inpainter at background_inpainting.width {width}: "
                         f"{str(error).splitlines()[1].strip()}") from None


def training_sample(rng: np.random.Generator, image: np.ndarray, unseen: np.ndarray) -> tuple[Tensor, ...]:
    """The image with a further hole, filled by Telea's method (3, H, W); all its holes (1, H, W); the true image (3, H,
    W); and the mask of known pixels in the further hole, which the losses count (1, H, W)."""
    further = moved_shape(rng, unseen) if rng.random() < OWN_SHAPE_SHARE else None
    if further is None:
        further = strokes(rng, unseen.shape)
    holes = unseen | further
    sample = image_tensor(telea(image, holes)), mask_tensor(holes), image_tensor(image), mask_tensor(further & ~unseen)
    return tuple(part.flip(-1) for part in sample) if rng.random() < 0.5 else sample


def moved_shape(rng: np.random.Generator, unseen: np.ndarray) -> np.ndarray | None:
    """The hole, moved to where the background is known, and perhaps mirrored; None if no free place was found."""
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
    """A few free-form brush strokes, as in Yu et al."""
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
    """The image with its hole filled by Telea's method, the start of the networks."""
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
        """One step of both networks; returns the mean absolute error (of [-1, 1]) of the refined images where
        `counted`.

        started: images filled by Telea's method; counted: the mask of pixels that the losses count; see
        `training_sample`. progress: share of the steps done."""
        for optimiser in (self.optimiser, self.discriminator_optimiser):
            rise, fall = (progress + 1 / self.params.steps) / WARM_UP, (1 - progress) / DECAY
            optimiser.param_groups[0]["lr"] = self.params.learning_rate * min(1, rise, fall)
        with devices.autocast(started.device):
            coarse, refined = self.network(started, holes)
            real = torch.where((holes > 0) & (counted == 0), started, images)  # unseen pixels: the same in both
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
    """Mean absolute error where `counted`, with less weight for large errors."""
    error = (images - true).abs()
    return (counted * error / (1 + ROBUST * error.detach())).sum() / (3 * counted.sum() + 1e-6)


def image_tensor(image: np.ndarray) -> Tensor:
    """(H, W, 3) uint8 -> (3, H, W) in [-1, 1]."""
    return torch.from_numpy(image).permute(2, 0, 1).float() / 127.5 - 1


def mask_tensor(hole: np.ndarray) -> Tensor:
    """(H, W) bool -> (1, H, W)."""
    return torch.from_numpy(hole)[None].float()
