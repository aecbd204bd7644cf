"""LPIPS, FID and IS: the scores that need trained networks (Section 3.2).

LPIPS is Zhang et al. 2018 with AlexNet; FID and IS use the Inception network of the original TensorFlow release, as
ported by torch-fidelity. The networks come from files of trained weights; where one cannot be had its score is None
with the reason, never a number from another network. Pictures are (height, width, 3) uint8.
"""

import lpips
import numpy as np
import torch
from torch import Tensor
from torchmetrics.image.fid import FrechetInceptionDistance, NoTrainInceptionV3
from torchmetrics.image.inception import InceptionScore

from stages import weights

SPLITS = 10  # of IS

Score = tuple[float | None, str | None]  # value, or why there is none


class Judges:
    """Add pictures one at a time, then ask for the scores."""

    def __init__(self, device: torch.device):
        self.device, self.reasons, self.distances, self.count = device, {}, [], 0
        self.lpips = self._build("lpips", _lpips)
        self.fid = self._build("fid", _fid)
        self.inception_score = self._build("is", _inception_score)

    def _build(self, name: str, make):
        try:
            return make().to(self.device).eval()
        except weights.Missing as error:
            self.reasons[name] = f"its network's weights could not be had: {error}"
            return None

    @torch.inference_mode()
    def add(self, generated: np.ndarray, truth: np.ndarray | None, real: np.ndarray | None) -> None:
        """truth: the same frame as it really is, for LPIPS; real: any real frame, for FID."""
        picture = self._tensor(generated)
        self.count += 1
        if self.lpips and truth is not None:
            pair = (x.float() / 127.5 - 1 for x in (picture, self._tensor(truth)))
            self.distances.append(float(self.lpips(*pair)))
        if self.fid:
            self.fid.update(picture, real=False)
            if real is not None:
                self.fid.update(self._tensor(real), real=True)
        if self.inception_score:
            self.inception_score.update(picture)

    def scores(self) -> dict[str, Score]:
        return {
            "lpips": self._score("lpips", bool(self.distances), "no true frames", lambda: np.mean(self.distances)),
            "fid": self._score("fid", self.count > 1, "fewer than two frames", lambda: self.fid.compute()),
            "is": self._score("is", self.count >= SPLITS, f"fewer than {SPLITS} frames",
                              lambda: self.inception_score.compute()[0]),
        }

    def _score(self, name: str, enough: bool, reason: str, value) -> Score:
        if name in self.reasons:
            return None, self.reasons[name]
        return (float(value()), None) if enough else (None, reason)

    def _tensor(self, picture: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].to(self.device)  # (1, 3, H, W)


def _lpips() -> torch.nn.Module:
    """LPIPS; its linear weights come with the package, AlexNet's do not."""
    state = weights.load(weights.find(weights.ALEXNET))
    network = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    for name, parameter in network.net.named_parameters():  # slice2.3.weight holds features.3.weight
        parameter.data.copy_(state["features." + name.split(".", 1)[1]])
    return network


def _fid() -> FrechetInceptionDistance:
    return FrechetInceptionDistance(2048, feature_extractor_weights_path=_inception())


def _inception_score() -> InceptionScore:
    network = NoTrainInceptionV3(
        "inception-v3-compat", ["logits_unbiased"], feature_extractor_weights_path=_inception())
    return InceptionScore(network, splits=SPLITS)


def _inception() -> str:
    path = weights.find(weights.INCEPTION)
    weights.load(path)  # refuses a pickle with code in it; torch-fidelity itself would run it
    return str(path)
