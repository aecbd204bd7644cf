"""FID and IS, and the network of LPIPS: the scores that need trained networks (Section 3.2).

FID and IS use the Inception network of the original TensorFlow release, as ported by torch-fidelity, which sees every
picture once for both. The networks come from files of trained weights; where one is missing its score is None with the
reason, never a number from another network. Pictures are (height, width, 3) uint8, and go through it BATCH at a time.
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

from stages import pretrained as files, threads
from stages.nets import flax

if TYPE_CHECKING:
    from stages.evaluation.references import Reference

BATCH = 8      # pictures
SPLITS = 10    # of IS
SEED = 0       # of its order
MOST = 2000    # frames that FID and IS have an interval of: their features stay in memory
FEATURES = 2048


class MetricNetworks:
    """Add pictures one at a time, then ask for the scores."""

    def __init__(self, device: torch.device):
        self.device, self.reasons = device, {}
        self._threads = threads.Threads(fixed=device.type != "cpu")
        try:
            self.inception = _inception().to(device).eval()
        except files.Missing as error:
            self.inception = None
            self.reasons = dict.fromkeys(("fid", "is"), f"its network's weights could not be had: {error}")
        self.fid = FrechetInceptionDistance(Features()).to(device)
        with warnings.catch_warnings(action="ignore"):  # that it keeps all logits: 4 kB a frame
            self.inception_score = InceptionScore(Features(), splits=SPLITS).to(device)
        self.count = 0
        self._features: list[tuple[Tensor, Tensor]] = []        # of generated and real pictures, (n, FEATURES) each
        self._waiting: list[tuple[Tensor, Tensor]] = []         # generated, real

    @torch.inference_mode()
    def add(self, picture: np.ndarray, reference: "Reference", places: dict[str, tuple[int, int, int, int]],
            delivered: np.ndarray | None) -> None:
        if not self.inception:
            return
        self._waiting.append((self._tensor(reference.completed(picture)), self._tensor(reference.real)))
        self.count += 1
        if len(self._waiting) == BATCH:
            with self._threads:
                self._judge()

    @torch.inference_mode()
    def _judge(self) -> None:
        """What waits, at once."""
        if not self._waiting:
            return
        judged, real = (torch.stack(pictures) for pictures in zip(*self._waiting))  # (n, 3, H, W) each
        self._waiting = []
        features, logits = self.inception(judged)
        others = self.inception(real)[0]
        self.fid.update(features, real=False)
        self.fid.update(others, real=True)
        if self.count <= MOST:
            self._features.append((features.cpu(), others.cpu()))
        self.inception_score.update(logits)

    def columns(self) -> dict[str, list[float]]:
        return {}

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
    """LPIPS of pairs (n, 3, h, w) in [-1, 1]; its linear weights come with the package lpips, AlexNet's do not."""
    with warnings.catch_warnings(action="ignore"):  # that it calls torchvision the old way
        network = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    flax.load_convolutions(network.net, files.find(files.ALEXNET), "AlexNet_0")
    return network


def _inception() -> nn.Module:
    """Gives features (n, 2048) and logits (n, 1008) without the bias, as FID and IS are defined."""
    path = files.find(files.INCEPTION)
    files.load(path)  # refuses a pickle with code in it; torch-fidelity itself would run it
    return FeatureExtractorInceptionV3("inception-v3-compat", [str(FEATURES), "logits_unbiased"], str(path))
