"""LPIPS (Zhang et al. 2018, AlexNet): the distance that people see, of the whole frame, of the person's box and of
face, hands and feet; of what was generated and of what the video shows of it.

A box is cut out at its own size; where its shorter side is below LEAST pixels, too few for AlexNet's last layers, it is
enlarged to that, in all pictures alike; the longer side to a multiple of STEP, so that parts, which are squares but for
a row or column, go through the network together. Every cut-out goes through it once, however many it is compared with.
Pictures are (height, width, 3) uint8.
"""

from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from lpips import normalize_tensor
from torch import Tensor

from stages import pretrained, threads
from stages.evaluation.image_similarity import Box
from stages.evaluation.metric_names import CHANGE, PERCEIVED, PERSON
from stages.evaluation.metric_networks import lpips_network

if TYPE_CHECKING:
    from stages.evaluation.references import Reference

LEAST, STEP = 64, 8  # pixels

Features = list[Tensor]  # of one picture, layer by layer, (C, h, w), of unit length in every place


class PerceptualDistance:
    """Add frames one at a time, then ask for the scores."""

    def __init__(self, device: torch.device):
        self.device, self.reasons, self._rows = device, {}, []
        self._threads = threads.Threads(fixed=device.type != "cpu")
        try:
            self._network = lpips_network().to(device, memory_format=torch.channels_last).eval()  # as pictures are
        except pretrained.MissingWeights as error:
            self._network = None
            self.reasons = dict.fromkeys(PERCEIVED, f"its network's weights could not be had: {error}")

    def add(self, picture: np.ndarray, reference: "Reference", places: dict[str, Box],
            delivered: np.ndarray | None) -> None:
        if not self._network:
            return
        truth, shown = reference.truth, {"": picture, "video_": delivered, "retrieval_": reference.copy}
        if truth is None and delivered is None:  # nothing to compare with
            return self._rows.append({})
        completed = {name: reference.completed(one) for name, one in (shown | {"truth": truth}).items() if one is not None}
        whole = {"": (0, 0, *picture.shape[1::-1])}
        cuts = {}  # (what it is of, place): the cut-out
        for place, box in (whole | places if truth is not None else whole).items():
            for name, one in completed.items():
                if name != "retrieval_" or place == PERSON:
                    cuts[name, place] = cut(one, box)
        with self._threads:
            found = self._features(cuts)
        row = {}
        for name, place in cuts:
            if name != "truth" and truth is not None:
                end = f"_{place}" if place else ""
                row[f"{name}lpips{end}"] = self._distance(found[name, place], found["truth", place])
        if delivered is not None:
            row[CHANGE] = self._distance(found["video_", ""], found["", ""])
        self._rows.append(row)

    @torch.inference_mode()
    def _features(self, cuts: dict[tuple[str, str], np.ndarray]) -> dict[tuple[str, str], Features]:
        """Those of one size at once."""
        found = {}
        for shape in dict.fromkeys(one.shape for one in cuts.values()):
            alike = {key: one for key, one in cuts.items() if one.shape == shape}
            batch = torch.from_numpy(np.stack(list(alike.values()))).to(self.device).permute(0, 3, 1, 2) / 127.5 - 1
            layers = self._network.net(self._network.scaling_layer(batch))  # (n, C, h, w) each
            found |= dict(zip(alike, zip(*map(normalize_tensor, layers))))
        return found

    @torch.inference_mode()
    def _distance(self, first: Features, second: Features) -> float:
        weighted = (lin((a - b).square()[None]) for lin, a, b in zip(self._network.lins, first, second, strict=True))
        return float(sum(map(torch.mean, weighted)))

    def columns(self) -> dict[str, list[float]]:
        return {name: [row.get(name, np.nan) for row in self._rows] for name in PERCEIVED} if self._network else {}

    def totals(self) -> dict[str, float | None]:
        return {}

    def statistics(self) -> dict:
        return {}


def cut(picture: np.ndarray, box: Box) -> np.ndarray:
    """What a box (left, top, right, bottom) shows, its shorter side at least LEAST pixels long."""
    left, top, right, bottom = box
    part = picture[top:bottom, left:right]
    factor = LEAST / min(part.shape[:2])
    if factor <= 1:
        return part
    size = tuple(round(side * factor / STEP) * STEP for side in part.shape[1::-1])
    return cv2.resize(part, size, interpolation=cv2.INTER_CUBIC)
