"""LPIPS, FID and IS: the scores that need trained networks (Section 3.2).

LPIPS is Zhang et al. 2018 with AlexNet, of the whole frame and of the person's box; FID and IS use the Inception
network of the original TensorFlow release, as ported by torch-fidelity, which sees every picture once for both. The
networks come from files of trained weights; where one cannot be had its score is None with the reason, never a number
from another network. Pictures are (height, width, 3) uint8, and go through the networks BATCH at a time.
"""

import warnings
from typing import TYPE_CHECKING

import lpips
import numpy as np
import torch
from torch import Tensor, nn
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.inception import InceptionScore

from stages import weights as files

if TYPE_CHECKING:
    from stages.measures.reference import Reference

BATCH = 8      # pictures
SPLITS = 10    # of IS
FEATURES = 2048
SMALLEST = 32  # pixels, side of a picture that AlexNet's layers do not shrink to nothing
PERSON = "person_box"
CONVOLUTIONS = (0, 3, 6, 8, 10)  # among AlexNet's features


class Judges:
    """Add pictures one at a time, then ask for the scores."""

    def __init__(self, device: torch.device):
        self.device, self.reasons = device, {}
        self.lpips = self._build(("lpips", f"lpips_{PERSON}"), lpips_network)
        self.inception = self._build(("fid", "is"), _inception)
        self.fid = FrechetInceptionDistance(Features()).to(device)
        with warnings.catch_warnings(action="ignore"):  # that it keeps all logits: 4 kB a frame
            self.inception_score = InceptionScore(Features(), splits=SPLITS).to(device)
        self.count, self.distances = 0, {"lpips": [], f"lpips_{PERSON}": []}
        self._waiting: list[tuple[Tensor, Tensor | None, Tensor]] = []  # generated, true, real

    def _build(self, names: tuple[str, ...], make) -> nn.Module | None:
        try:
            return make().to(self.device).eval()
        except files.Missing as error:
            self.reasons |= dict.fromkeys(names, f"its network's weights could not be had: {error}")
            return None

    @torch.inference_mode()
    def add(self, picture: np.ndarray, reference: "Reference", places: dict[str, tuple[int, int, int, int]]) -> None:
        if not (self.lpips or self.inception):
            return
        judged = self._tensor(reference.completed(picture))
        truth = None if reference.truth is None else self._tensor(reference.truth)
        self._waiting.append((judged, truth, self._tensor(reference.real)))
        self.count += 1
        if self.lpips:
            self.distances[f"lpips_{PERSON}"].append(self._within(judged, truth, places.get(PERSON)))
        if len(self._waiting) == BATCH:
            self._judge()

    def _within(self, judged: Tensor, truth: Tensor | None, box: tuple[int, int, int, int] | None) -> float:
        """LPIPS of a box cut out, at its own size."""
        if truth is None or box is None or min(box[2] - box[0], box[3] - box[1]) < SMALLEST:
            return float("nan")
        part = np.s_[:, box[1] : box[3], box[0] : box[2]]
        return self._distances(judged[part][None], truth[part][None])[0]

    def _distances(self, judged: Tensor, truths: Tensor) -> list[float]:
        return self.lpips(judged / 127.5 - 1, truths / 127.5 - 1).flatten().tolist()

    @torch.inference_mode()
    def _judge(self) -> None:
        """What waits, at once."""
        if not self._waiting:
            return
        judged, truths, real = zip(*self._waiting)
        self._waiting = []
        judged = torch.stack(judged)  # (n, 3, H, W)
        if self.lpips:
            alike = [float("nan")] * len(judged) if truths[0] is None else self._distances(judged, torch.stack(truths))
            self.distances["lpips"] += alike
        if self.inception:
            features, logits = self.inception(judged)
            self.fid.update(features, real=False)
            self.fid.update(self.inception(torch.stack(real))[0], real=True)
            self.inception_score.update(logits)

    def columns(self) -> dict[str, list[float]]:
        self._judge()
        return self.distances if self.lpips else {}

    def totals(self) -> dict[str, float | None]:
        self._judge()
        if not self.inception:
            return {}
        if self.count < 2:
            self.reasons["fid"] = "fewer than two frames"
        if self.count < SPLITS:
            self.reasons["is"] = f"fewer than {SPLITS} frames"
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # IS shuffles the frames before it splits them
            return {"fid": None if "fid" in self.reasons else float(self.fid.compute()),
                    "is": None if "is" in self.reasons else float(self.inception_score.compute()[0])}

    def _tensor(self, picture: np.ndarray) -> Tensor:
        return torch.tensor(picture, device=self.device).permute(2, 0, 1)  # (3, H, W)


class Features(nn.Module):
    """Stands where torchmetrics expects the network: what it is given was through it."""

    num_features = FEATURES

    def forward(self, features: Tensor) -> Tensor:
        return features


def lpips_network() -> nn.Module:
    """LPIPS of pairs (n, 3, h, w) in [-1, 1]; its linear weights come with the package, AlexNet's do not."""
    path = files.find(files.alexnet())
    state = files.load(path)
    network = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    for i, layer in enumerate(module for module in network.net.modules() if isinstance(module, nn.Conv2d)):
        if path.name == files.ALEXNET:
            weight, bias = (state[f"features.{CONVOLUTIONS[i]}.{name}"] for name in ("weight", "bias"))
        else:  # (h, w, in, out) -> (out, in, h, w)
            weight, bias = state[f"AlexNet_0.Conv_{i}.kernel"].permute(3, 2, 0, 1), state[f"AlexNet_0.Conv_{i}.bias"]
        layer.weight.data.copy_(weight)
        layer.bias.data.copy_(bias)
    return network


def _inception() -> nn.Module:
    """Gives features (n, 2048) and logits (n, 1008) without the bias, as FID and IS are defined."""
    path = files.find(files.INCEPTION)
    files.load(path)  # refuses a pickle with code in it; torch-fidelity itself would run it
    return FeatureExtractorInceptionV3("inception-v3-compat", [str(FEATURES), "logits_unbiased"], str(path))
