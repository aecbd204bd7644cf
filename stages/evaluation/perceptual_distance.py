"""Perceptual distance: LPIPS (Zhang et al. 2018, AlexNet) of the whole frame, of the person's box and of the boxes of
face, hands and feet, for the generated frames and for the final video.

A box is cropped at its own size. If its shorter side is below MIN_SIDE pixels, too small for AlexNet's last layers, the
crop is enlarged to that, and its longer side rounded to a multiple of SIDE_STEP, so that crops of the same size form
batches (the boxes of parts are square up to one row or column). Each crop passes through the network once, even if
it is compared with several others. Pictures are (height, width, 3) uint8.
"""

import warnings
from typing import TYPE_CHECKING

import cv2
import lpips
import numpy as np
import torch
from lpips import normalize_tensor
from torch import Tensor, nn

from stages import pretrained, threads
from stages.evaluation.image_similarity import PixelBox
from stages.evaluation.metric_names import DELIVERY_LPIPS, LPIPS_SCORES, PERSON_BOX
from stages.nets import flax

if TYPE_CHECKING:
    from stages.evaluation.references import Reference

MIN_SIDE, SIDE_STEP = 64, 8  # pixels

LayerFeatures = list[Tensor]  # of one crop, layer by layer, (C, h, w), normalised over the channels


class PerceptualDistance:
    """LPIPS of the generated frames, as a FrameScorer."""

    def __init__(self, device: torch.device):
        self.device, self.reasons, self._rows = device, {}, []
        self._threads = threads.Threads(fixed=device.type != "cpu")
        try:
            self._network = lpips_network().to(device, memory_format=torch.channels_last).eval()  # as pictures are
        except pretrained.MissingWeights as error:
            self._network = None
            self.reasons = dict.fromkeys(LPIPS_SCORES, f"its network's weights are not available: {error}")

    def add(self, picture: np.ndarray, reference: "Reference", regions: dict[str, PixelBox],
            delivered: np.ndarray | None) -> None:
        if not self._network:
            return
        truth = reference.truth
        if truth is None and delivered is None:  # nothing to compare with
            return self._rows.append({})
        pictures = {"": picture, "video_": delivered, "retrieval_": reference.retrieved, "truth": truth}
        completed = {prefix: reference.fill_unseen(one) for prefix, one in pictures.items() if one is not None}
        whole = {"": (0, 0, *picture.shape[1::-1])}
        crops = {}  # by prefix of the picture and region
        for region, box in (whole | regions if truth is not None else whole).items():
            for prefix, one in completed.items():
                if prefix != "retrieval_" or region == PERSON_BOX:
                    crops[prefix, region] = crop_for_lpips(one, box)
        with self._threads:
            features = self._features(crops)
        row = {}
        for prefix, region in crops:
            if prefix != "truth" and truth is not None:
                suffix = f"_{region}" if region else ""
                row[f"{prefix}lpips{suffix}"] = self._distance(features[prefix, region], features["truth", region])
        if delivered is not None:
            row[DELIVERY_LPIPS] = self._distance(features["video_", ""], features["", ""])
        self._rows.append(row)

    @torch.inference_mode()
    def _features(self, crops: dict[tuple[str, str], np.ndarray]) -> dict[tuple[str, str], LayerFeatures]:
        """Crops of the same size form one batch."""
        features = {}
        for shape in dict.fromkeys(crop.shape for crop in crops.values()):
            same_size = {key: crop for key, crop in crops.items() if crop.shape == shape}
            batch = torch.from_numpy(np.stack(list(same_size.values()))).to(self.device).permute(0, 3, 1, 2) / 127.5 - 1
            layers = self._network.net(self._network.scaling_layer(batch))  # (n, C, h, w) each
            features |= dict(zip(same_size, zip(*map(normalize_tensor, layers))))
        return features

    @torch.inference_mode()
    def _distance(self, first: LayerFeatures, second: LayerFeatures) -> float:
        weighted = (lin((a - b).square()[None]) for lin, a, b in zip(self._network.lins, first, second, strict=True))
        return float(sum(map(torch.mean, weighted)))

    def columns(self) -> dict[str, list[float]]:
        return {name: [row.get(name, np.nan) for row in self._rows] for name in LPIPS_SCORES} if self._network else {}

    def totals(self) -> dict[str, float | None]:
        return {}

    def statistics(self) -> dict:
        return {}


def lpips_network(kind: str = "alex") -> nn.Module:
    """LPIPS of pairs (n, 3, h, w) in [-1, 1], by AlexNet ("alex") or VGG-16 ("vgg"). Its linear weights come with the
    package lpips, those of the network from metric_weights/ or weights/. Raises pretrained.MissingWeights if they are
    missing."""
    file, name = {"alex": (pretrained.ALEXNET, "AlexNet_0"), "vgg": (pretrained.VGG["vgg16"], "VGG16_0")}[kind]
    with warnings.catch_warnings(action="ignore"):  # it uses a deprecated argument of torchvision
        network = lpips.LPIPS(net=kind, pnet_rand=True, verbose=False)
    flax.load_convolutions(network.net, pretrained.find(file), name)
    return network


def crop_for_lpips(picture: np.ndarray, box: PixelBox) -> np.ndarray:
    """The crop of a box (left, top, right, bottom), enlarged if its shorter side is below MIN_SIDE pixels."""
    left, top, right, bottom = box
    crop = picture[top:bottom, left:right]
    factor = MIN_SIDE / min(crop.shape[:2])
    if factor <= 1:
        return crop
    size = tuple(round(side * factor / SIDE_STEP) * SIDE_STEP for side in crop.shape[1::-1])
    return cv2.resize(crop, size, interpolation=cv2.INTER_CUBIC)
