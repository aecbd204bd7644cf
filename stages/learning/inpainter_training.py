"""Self-supervised training of the inpainter on the plate that it is to complete, and its use.

In training, further holes are cut into what was seen of the plate: the very hole that is to be filled, moved and
mirrored, or free-form strokes. Pixels that were never seen are holes too, and no loss counts them. Pictures are RGB
(H, W, 3) uint8, holes (H, W) bool.
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
from stages.media import artifact_metadata
from stages.nets.inpainter import Inpainter, PatchDiscriminator
from stages.progress import Progress

if TYPE_CHECKING:
    from stages.params import BackgroundInpainting

OWN_SHAPE = 0.7             # of the holes; the rest are strokes
SHIFTS = 0.5, 0.15          # of the own shape, at most, across and down, share of the side
BRUSH = 12 / 256, 40 / 256  # width, share of the side
ROBUST = 2.0                # an error e counts e / (1 + ROBUST e): nobody can foresee a picture on the wall
CRITIC = 64 / 48            # width of the critic, of the inpainter's
START_RADIUS = 3            # pixels, of the plain method that the networks start from
WARM, DECAY = 0.1, 0.5      # shares of the steps over which the learning rate rises at first, and falls to zero at last


def inpaint(picture: np.ndarray, hole: np.ndarray, params: "BackgroundInpainting") -> np.ndarray:
    """The picture with its hole filled; everything else is as it was."""
    height, width = hole.shape
    borders = (0, -height % 8, 0, -width % 8)
    padded = cv2.copyMakeBorder(picture, *borders, cv2.BORDER_REPLICATE)
    unseen = cv2.copyMakeBorder(hole.astype(np.uint8), *borders, cv2.BORDER_CONSTANT, value=1) > 0
    where = devices.choose(params.device)
    network = train(padded, unseen, params, where).eval()
    pictures, holes = tensor(start(padded, unseen))[None].to(where), plane(unseen)[None].to(where)
    with torch.no_grad():  # mirrored too, as it was trained
        one, other = network(pictures, holes)[1], network(pictures.flip(-1), holes.flip(-1))[1].flip(-1)
    made_up = (((one + other) / 2 + 1) * 127.5).clamp(0, 255).round()[0].byte().permute(1, 2, 0).cpu().numpy()
    return np.where(hole[..., None], made_up[:height, :width], picture)


def train(picture: np.ndarray, unseen: np.ndarray, params: "BackgroundInpainting", where: torch.device) -> Inpainter:
    """The given weights, or fresh ones, after `params.steps` steps on this plate; H and W are multiples of 8."""
    if not params.steps and not params.weights:
        raise InputError("params.yaml: background_inpainting: `inpainter: gated` with 0 steps needs `weights`")
    torch.manual_seed(params.seed)
    network = Inpainter(params.width).to(where)
    if params.weights:
        given(network, Path(params.weights))
    learner = InpainterTraining(network, params)
    rng = np.random.default_rng(params.seed)
    own = threads.Threads(fixed=where.type != "cpu")
    for step in Progress(range(params.steps), "gated inpainter", unit="step"):
        lessons = zip(*(lesson(rng, picture, unseen) for _ in range(params.batch)))
        with own:
            learner.advance(*(torch.stack(part).to(where) for part in lessons), step / params.steps)
    artifact_metadata.add({"threads": json.dumps(own.about)})
    print(f"gated inpainter: {params.steps} steps; {own}")
    return network


def given(network: Inpainter, path: Path) -> None:
    """Puts a file's weights into the network."""
    try:
        network.load_state_dict(pretrained.load(path))
    except RuntimeError as error:
        width = network.coarse[0].both.out_channels // 2
        raise InputError(f"{path}: not the weights of this inpainter at background_inpainting.width {width}: "
                         f"{str(error).splitlines()[1].strip()}") from None


def lesson(rng: np.random.Generator, picture: np.ndarray, unseen: np.ndarray) -> tuple[Tensor, ...]:
    """The plate with a further hole, filled by the plain method (3, H, W), all its holes (1, H, W), the plate itself
    (3, H, W), and where the further hole hides what was seen (1, H, W)."""
    further = moved(rng, unseen) if rng.random() < OWN_SHAPE else None
    if further is None:
        further = strokes(rng, unseen.shape)
    hidden = unseen | further
    parts = tensor(start(picture, hidden)), plane(hidden), tensor(picture), plane(further & ~unseen)
    return tuple(part.flip(-1) for part in parts) if rng.random() < 0.5 else parts


def moved(rng: np.random.Generator, unseen: np.ndarray) -> np.ndarray | None:
    """The hole itself where the plate was seen, mirrored or not; None where there seems to be no room for it."""
    height, width = unseen.shape
    shape = unseen.astype(np.uint8)
    if rng.random() < 0.5:
        shape = np.ascontiguousarray(shape[:, ::-1])
    for _ in range(8):
        across, down = rng.uniform(-1, 1, 2) * SHIFTS * np.array([width, height])
        found = cv2.warpAffine(shape, np.float32([[1, 0, round(across)], [0, 1, round(down)]]), (width, height)) > 0
        if (found & ~unseen).sum() > 0.25 * unseen.sum():
            return found
    return None


def strokes(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """A few strokes of a brush that turns as it goes."""
    canvas, side = np.zeros(shape, np.uint8), min(shape)
    for _ in range(rng.integers(1, 4)):
        point, angle = rng.uniform(0, 1, 2) * shape[::-1], rng.uniform(0, 2 * np.pi)
        for _ in range(rng.integers(4, 10)):
            angle += rng.uniform(-1.2, 1.2)
            ahead = point + rng.uniform(0.1, 0.3) * side * np.array([np.cos(angle), np.sin(angle)])
            brush = max(2, round(rng.uniform(*BRUSH) * side))
            cv2.line(canvas, point.astype(int).tolist(), ahead.astype(int).tolist(), 1, brush)
            point = np.clip(ahead, 0, np.array(shape[::-1]) - 1)
    return canvas > 0


def start(picture: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Filled by Telea's method, which does not look at what the hole holds."""
    return cv2.inpaint(picture, hole.astype(np.uint8), START_RADIUS, cv2.INPAINT_TELEA)


class InpainterTraining:
    """The inpainter and its critic, with their optimisers."""

    def __init__(self, network: Inpainter, params: "BackgroundInpainting"):
        self.params, self.network = params, network
        self.critic = PatchDiscriminator(round(CRITIC * params.width)).to(next(network.parameters()).device)
        self.optimisers = [torch.optim.Adam(part.parameters(), params.learning_rate, (0.5, 0.999))
                           for part in (network, self.critic)]

    def advance(self, started: Tensor, holes: Tensor, pictures: Tensor, wanted: Tensor, progress: float) -> float:
        """One step; gives the mean absolute error of the refined picture in the further holes, of [-1, 1]."""
        for optimiser in self.optimisers:
            rise, fall = (progress + 1 / self.params.steps) / WARM, (1 - progress) / DECAY
            optimiser.param_groups[0]["lr"] = self.params.learning_rate * min(1, rise, fall)
        with devices.precision(started.device):
            coarse, refined = self.network(started, holes)
            real = torch.where((holes > 0) & (wanted == 0), started, pictures)  # never seen: the same in both
            fake = torch.where(wanted > 0, refined, real)
            adversarial = refined.new_zeros(())
            if self.params.weight_adversarial:
                self._descend(1, self.critic, (F.relu(1 - self.critic(real, holes)).mean()
                                               + F.relu(1 + self.critic(fake.detach(), holes)).mean()))
                adversarial = -self.critic(fake, holes).mean()
            l1 = sum(robust(picture, pictures, wanted) for picture in (coarse, refined))
            self._descend(0, self.network, l1 + self.params.weight_adversarial * adversarial)
        return ((refined - pictures).abs() * wanted).sum().item() / (3 * wanted.sum().item() + 1e-6)

    def _descend(self, which: int, network: torch.nn.Module, loss: Tensor) -> None:
        self.optimisers[which].zero_grad(set_to_none=True)
        loss.backward(inputs=list(network.parameters()))
        self.optimisers[which].step()


def robust(picture: Tensor, true: Tensor, wanted: Tensor) -> Tensor:
    """Mean error of the wanted pixels, large ones damped."""
    error = (picture - true).abs()
    return (wanted * error / (1 + ROBUST * error.detach())).sum() / (3 * wanted.sum() + 1e-6)


def tensor(picture: np.ndarray) -> Tensor:
    """(H, W, 3) uint8 -> (3, H, W) in [-1, 1]."""
    return torch.from_numpy(picture).permute(2, 0, 1).float() / 127.5 - 1


def plane(hole: np.ndarray) -> Tensor:
    """(H, W) bool -> (1, H, W)."""
    return torch.from_numpy(hole)[None].float()
