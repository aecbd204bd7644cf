"""FID and IS (paper section 3.2), with the Inception network of the original TensorFlow release, as ported by
torch-fidelity. Each picture passes through the network once for both.

If the network's weights are missing, both scores are None with a reason; no other network is used instead. Pictures
are (height, width, 3) uint8, in batches of BATCH_SIZE.
"""

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.inception import InceptionScore

from stages import pretrained, threads

if TYPE_CHECKING:
    from stages.evaluation.references import Reference

BATCH_SIZE = 8
SPLITS = 10             # of the frames, for IS
SEED = 0                # of the order in which IS splits them
MAX_KEPT_FRAMES = 2000  # FID and IS of more frames have no interval, because all features would have to stay in memory
NUM_FEATURES = 2048


class InceptionMetrics:
    """FID and IS of the generated frames, as a FrameScorer."""

    def __init__(self, device: torch.device):
        self.device, self.reasons = device, {}
        self._threads = threads.Threads(fixed=device.type != "cpu")
        try:
            self.inception = _inception().to(device).eval()
        except pretrained.MissingWeights as error:
            self.inception = None
            self.reasons = dict.fromkeys(("fid", "is"), f"its network's weights are not available: {error}")
        self.fid = FrechetInceptionDistance(PassThrough()).to(device)
        with warnings.catch_warnings(action="ignore"):  # warns that it keeps all logits: 4 kB a frame
            self.inception_score = InceptionScore(PassThrough(), splits=SPLITS).to(device)
        self.count = 0
        self._features: list[tuple[Tensor, Tensor]] = []  # of generated and real pictures, (n, NUM_FEATURES) each
        self._batch: list[tuple[Tensor, Tensor]] = []     # generated and real pictures

    @torch.inference_mode()
    def add(self, picture: np.ndarray, reference: "Reference", regions: dict[str, tuple[int, int, int, int]],
            delivered: np.ndarray | None) -> None:
        if not self.inception:
            return
        self._batch.append((self._tensor(reference.fill_unseen(picture)), self._tensor(reference.real)))
        self.count += 1
        if len(self._batch) == BATCH_SIZE:
            with self._threads:
                self._process_batch()

    @torch.inference_mode()
    def _process_batch(self) -> None:
        if not self._batch:
            return
        generated, real = (torch.stack(pictures) for pictures in zip(*self._batch))  # (n, 3, H, W) each
        self._batch = []
        features, logits = self.inception(generated)
        real_features = self.inception(real)[0]
        self.fid.update(features, real=False)
        self.fid.update(real_features, real=True)
        if self.count <= MAX_KEPT_FRAMES:
            self._features.append((features.cpu(), real_features.cpu()))
        self.inception_score.update(logits)

    def columns(self) -> dict[str, list[float]]:
        return {}

    def totals(self) -> dict[str, float | None]:
        self._process_batch()
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
        """FID and IS of the frames with the given indices. For IS, each frame stays in its split."""
        if not self.inception or self.count > MAX_KEPT_FRAMES:
            return {}
        generated, real = (torch.cat(parts).double() for parts in zip(*self._features))  # (n, NUM_FEATURES)
        logits = torch.cat(self.inception_score.features).cpu().double()                 # (n, classes)
        splits = torch.randperm(self.count, generator=torch.Generator().manual_seed(SEED)).chunk(SPLITS)
        return {name: statistic for name, statistic in {
            "fid": lambda kept: frechet_distance(generated[kept], real[kept]),
            "is": lambda kept: inception_score(logits, [split[np.isin(split, kept)] for split in splits]),
        }.items() if name not in self.reasons}

    def _tensor(self, picture: np.ndarray) -> Tensor:
        return torch.tensor(picture, device=self.device).permute(2, 0, 1)  # (3, H, W)


def frechet_distance(generated: Tensor, real: Tensor) -> float:
    """FID of features (n, d): |m - m'|^2 + tr C + tr C' - 2 tr (C C')^1/2.

    The last trace is the sum of the singular values of the product (n, n) of both centred feature matrices. This is
    faster than the matrix square root if there are fewer frames than features."""
    difference = generated.mean(0) - real.mean(0)
    generated, real = ((x - x.mean(0)) / (len(x) - 1) ** 0.5 for x in (generated, real))
    singular_values = torch.linalg.svdvals(generated @ real.T)
    return float(difference @ difference + generated.square().sum() + real.square().sum() - 2 * singular_values.sum())


def inception_score(logits: Tensor, splits: list[Tensor]) -> float:
    """IS of frames with these logits (n, classes): the mean over the splits, each given by the indices of its
    frames."""
    scores = []
    for log in (logits[split].log_softmax(1) for split in splits if len(split)):
        p = log.exp()
        scores.append((p * (log - p.mean(0).log())).sum(1).mean().exp())
    return float(torch.stack(scores).mean())


class PassThrough(nn.Module):
    """Given to torchmetrics in place of the network, because its input already consists of features."""

    num_features = NUM_FEATURES

    def forward(self, features: Tensor) -> Tensor:
        return features


def _inception() -> nn.Module:
    """Returns features (n, 2048) and logits (n, 1008) without the bias, as FID and IS are defined."""
    path = pretrained.find(pretrained.INCEPTION)
    pretrained.load(path)  # rejects a pickle that contains code, which torch-fidelity itself would run
    return FeatureExtractorInceptionV3("inception-v3-compat", [str(NUM_FEATURES), "logits_unbiased"], str(path))
