"""YOLO's pose and segmentation networks. ultralytics is licensed under AGPL-3.0, code and weights; this module is only
imported if it is chosen.

Only the networks, the letterbox and the non-maximum suppression of the library are used. Its predictor, settings,
downloads and installers are not.
"""

import os
from collections.abc import Sequence

import cv2
import numpy as np
import torch  # before ultralytics, which reduces its number of threads
from torch.nn import functional as F

for _name, _value in (("YOLO_OFFLINE", "true"), ("YOLO_AUTOINSTALL", "false"), ("YOLO_VERBOSE", "false")):
    os.environ.setdefault(_name, _value)
_threads = cv2.getNumThreads()

from ultralytics.data.augment import LetterBox  # noqa: E402
from ultralytics.nn.tasks import PoseModel, SegmentationModel  # noqa: E402
from ultralytics.utils import nms, ops  # noqa: E402

from stages import InputError  # noqa: E402
from stages.estimators import instances  # noqa: E402
from stages.estimators.coco import KEYPOINTS  # noqa: E402
from stages.estimators.instances import MIN_SCORE, Detections, load_trained  # noqa: E402

cv2.setNumThreads(_threads)  # ultralytics has set it to 0

_TASKS = {  # network, its configuration, number of classes
    "mask": (SegmentationModel, "{}-seg.yaml", 80), "pose": (PoseModel, "{}-pose.yaml", 1)}
_PERSON = 0
_INPUT_SIZE = 640  # pixels; the size that the networks were trained with
_NMS_IOU = 0.7     # of two boxes above which they belong to one person


class _Network:
    def __init__(self, task: str, model: str, device: str):
        self._model = load_trained(build(task, model), "ultralytics", task, model, device).fuse(verbose=False)
        self._task, self._device = task, next(self._model.parameters()).device
        self._letterbox = LetterBox(_INPUT_SIZE, auto=True, stride=int(self._model.stride.max()))

    def __call__(self, images: Sequence[np.ndarray]) -> list[Detections]:
        if len({image.shape for image in images}) > 1:  # a batch needs images of one size
            return [self([image])[0] for image in images]
        return self._same_size(images)

    @torch.inference_mode()
    def _same_size(self, images: Sequence[np.ndarray]) -> list[Detections]:
        letterboxed = np.stack([self._letterbox(image=image) for image in images])  # (B, h, w, 3)
        batch = torch.from_numpy(letterboxed).to(self._device).permute(0, 3, 1, 2).float() / 255
        out = self._model(batch)[0]
        out, protos = out if self._task == "mask" else (out, [None] * len(images))
        people = nms.non_max_suppression(out, MIN_SCORE, _NMS_IOU, classes=[_PERSON], nc=_TASKS[self._task][2],
                                         end2end=self._model.end2end, max_time_img=float("inf"))  # no time limit
        decode = _decode_masks if self._task == "mask" else _decode_keypoints
        return [decode(one, proto, batch.shape[2:], image.shape[:2])
                for one, proto, image in zip(people, protos, images)]


Detector, Segmenter, PoseEstimator = instances.adapter_classes(_Network)


def build(task: str, model: str) -> torch.nn.Module:
    """An untrained network. Raises InputError for an unknown model."""
    kind, file, classes = _TASKS[task]
    try:
        return kind(file.format(model), nc=classes, verbose=False)
    except FileNotFoundError:
        raise InputError(f"params.yaml: ultralytics has no model {file.format(model)}; expected yolo11 or yolo26, "
                         "followed by n, s, m, l or x") from None


def _decode_keypoints(people: torch.Tensor, _, inner: tuple[int, int], shape: tuple[int, int]) -> Detections:
    """people (N, 6 + 51): box, score, class and keypoints, in pixels of the letterboxed image (inner)."""
    boxes = ops.scale_boxes(inner, people[:, :4], shape)
    keypoints = ops.scale_coords(inner, people[:, 6:].reshape(-1, KEYPOINTS, 3), shape)
    return Detections(boxes.cpu().numpy(), people[:, 4].cpu().numpy(), keypoints.cpu().numpy())


def _decode_masks(people: torch.Tensor, proto: torch.Tensor, inner: tuple[int, int], shape: tuple[int, int]
                  ) -> Detections:
    """people (N, 6 + 32): box, score, class and coefficients of the prototype masks `proto` (32, h / 4, w / 4)."""
    boxes = ops.scale_boxes(inner, people[:, :4].clone(), shape)

    def mask(index: int) -> np.ndarray:
        logits = torch.tensordot(people[index, 6:], proto, 1)[None, None]  # (1, 1, h / 4, w / 4)
        logits = F.interpolate(logits, inner, mode="bilinear")             # so that the border has whole pixels
        soft = ops.scale_masks(logits, shape)[0].sigmoid()                 # (1, H, W)
        return ops.crop_mask(soft, boxes[index, None])[0].cpu().numpy()

    return Detections(boxes.cpu().numpy(), people[:, 4].cpu().numpy(), mask=mask)
