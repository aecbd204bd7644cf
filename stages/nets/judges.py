"""LPIPS, FID and IS: the scores that need trained networks (Section 3.2).

LPIPS is Zhang et al. 2018 with AlexNet, of the whole frame and of the person's box; FID and IS use the Inception
network of the original TensorFlow release, as ported by torch-fidelity, which sees every picture once for both. The
networks come from files of trained weights; where one is missing its score is None with the reason, never a number
from another network. Pictures are (height, width, 3) uint8, and go through the networks BATCH at a time.
"""

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import lpips
import numpy as np
import torch
from torch import Tensor, nn
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.inception import InceptionScore

from stages import threads
from stages import weights as files

if TYPE_CHECKING:
    from stages.measures.reference import Reference

BATCH = 8      # pictures
SPLITS = 10    # of IS
SEED = 0       # of its order
MOST = 2000    # frames that FID and IS have an interval of: their features stay in memory
FEATURES = 2048
SMALLEST = 32  # pixels, side of a picture that AlexNet's layers do not shrink to nothing
PERSON = "person_box"
CONVOLUTIONS = (0, 3, 6, 8, 10)  # among AlexNet's features


class Judges:
    """Add pictures one at a time, then ask for the scores."""

    def __init__(self, device: torch.device):
        self.device, self.reasons = device, {}
        self._threads = threads.Threads(fixed=device.type != "cpu")
        self.lpips = self._build(("lpips", f"lpips_{PERSON}"), lpips_network)
        self.inception = self._build(("fid", "is"), _inception)
        self.fid = FrechetInceptionDistance(Features()).to(device)
        with warnings.catch_warnings(action="ignore"):  # that it keeps all logits: 4 kB a frame
            self.inception_score = InceptionScore(Features(), splits=SPLITS).to(device)
        self.count, self.distances = 0, {"lpips": [], f"lpips_{PERSON}": []}
        self._features: list[tuple[Tensor, Tensor]] = []        # of generated and real pictures, (n, FEATURES) each
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
            with self._threads:
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
            others = self.inception(torch.stack(real))[0]
            self.fid.update(features, real=False)
            self.fid.update(others, real=True)
            if self.count <= MOST:
                self._features.append((features.cpu(), others.cpu()))
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
            torch.manual_seed(SEED)  # IS shuffles the frames before it splits them
            return {"fid": None if "fid" in self.reasons else float(self.fid.compute()),
                    "is": None if "is" in self.reasons else float(self.inception_score.compute()[0])}

    def statistics(self) -> dict[str, Callable[[np.ndarray], float]]:
        """FID and IS of the frames with these indices; of IS, each frame stays in the part that it was in."""
        if not self.inception or self.count > MOST:
            return {}
        own, real = (torch.cat(parts).double() for parts in zip(*self._features))  # (n, FEATURES)
        logits = torch.cat(self.inception_score.features).cpu().double()           # (n, classes)
        parts = torch.randperm(self.count, generator=torch.Generator().manual_seed(SEED)).chunk(SPLITS)
        return {name: statistic for name, statistic in {
            "fid": lambda kept: frechet(own[kept], real[kept]),
            "is": lambda kept: inception_score(logits, [part[np.isin(part, kept)] for part in parts]),
        }.items() if name not in self.reasons}

    def _tensor(self, picture: np.ndarray) -> Tensor:
        return torch.tensor(picture, device=self.device).permute(2, 0, 1)  # (3, H, W)


def frechet(own: Tensor, real: Tensor) -> float:
    """FID of features (n, d): |m - m'|^2 + tr C + tr C' - 2 tr (C C')^1/2. The last trace is the sum of the singular
    values of both, centred, times each other, (n, n): quicker than the root where frames are fewer than features."""
    apart = own.mean(0) - real.mean(0)
    own, real = ((one - one.mean(0)) / (len(one) - 1) ** 0.5 for one in (own, real))
    roots = torch.linalg.svdvals(own @ real.T)
    return float(apart @ apart + own.square().sum() + real.square().sum() - 2 * roots.sum())


def inception_score(logits: Tensor, parts: list[Tensor]) -> float:
    """IS of frames' logits (n, classes), the mean over parts of them, given by indices."""
    scores = []
    for log in (logits[part].log_softmax(1) for part in parts if len(part)):
        p = log.exp()
        scores.append((p * (log - p.mean(0).log())).sum(1).mean().exp())
    return float(torch.stack(scores).mean())


class Features(nn.Module):
    """Stands where torchmetrics expects the network: what it is given was through it."""

    num_features = FEATURES

    def forward(self, features: Tensor) -> Tensor:
        return features


def lpips_network() -> nn.Module:
    """LPIPS of pairs (n, 3, h, w) in [-1, 1]; its linear weights come with the package, AlexNet's do not."""
    path = files.find(files.alexnet())
    state = files.load(path)
    with warnings.catch_warnings(action="ignore"):  # that it calls torchvision the old way
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
