"""torchvision's Keypoint R-CNN and Mask R-CNN v2 (BSD-3), both with a ResNet-50 FPN backbone."""

from collections.abc import Sequence

import numpy as np
import torch
from torchvision.models.detection import KeypointRCNN, maskrcnn_resnet50_fpn_v2
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops import FrozenBatchNorm2d

from stages.estimators import instances, rcnn
from stages.estimators.coco import KEYPOINTS
from stages.estimators.instances import MIN_SCORE, Detections, load_trained

_PERSON = 1  # COCO's label; 0 is the background


class _Network:
    def __init__(self, task: str, model: str, device: str):
        built = {"mask": mask_rcnn, "pose": keypoint_rcnn}[task](box_score_thresh=MIN_SCORE)
        self._model = load_trained(built, "torchvision", task, model, device)
        self._device = next(self._model.parameters()).device
        if task == "pose":  # the library only returns the height of each peak
            self._model.roi_heads.keypoint_predictor.register_forward_hook(self._keep_confidence)

    @torch.inference_mode()
    def __call__(self, images: Sequence[np.ndarray]) -> list[Detections]:
        model, shapes = self._model, [image.shape[:2] for image in images]
        tensors = [torch.from_numpy(np.ascontiguousarray(image)).to(self._device).permute(2, 0, 1) / 255
                   for image in images]  # (3, H, W)
        resized, _ = model.transform(tensors)
        features = model.backbone(resized.tensors)
        proposals, _ = model.rpn(resized, features)
        people, _ = model.roi_heads(features, proposals, resized.image_sizes)
        if "keypoints" in people[0]:
            for one, confidence in zip(people, self._confidence.split([len(one["boxes"]) for one in people])):
                one["keypoints"][..., 2] = confidence
        people = [{name: values[one["labels"] == _PERSON] for name, values in one.items()} for one in people]
        cells = [one.pop("masks", None) for one in people]  # not resized yet: few are needed
        people = model.transform.postprocess(people, resized.image_sizes, shapes)
        return [_to_detections(one, mask, shape) for one, mask, shape in zip(people, cells, shapes)]

    def _keep_confidence(self, module, given, heat: torch.Tensor) -> None:
        self._confidence = rcnn.keypoint_confidence(heat)


Detector, Segmenter, PoseEstimator = instances.adapter_classes(_Network)


def _to_detections(people: dict[str, torch.Tensor], cells: torch.Tensor | None, shape: tuple[int, int]) -> Detections:
    boxes, scores = people["boxes"].cpu().numpy(), people["scores"].cpu().numpy()
    if cells is not None:
        return Detections(boxes, scores, mask=lambda i: rcnn.paste_mask(cells[i, 0].cpu().numpy(), boxes[i], shape))
    return Detections(boxes, scores, people["keypoints"].cpu().numpy())


def mask_rcnn(**options) -> torch.nn.Module:
    return maskrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None, **options)


def keypoint_rcnn(**options) -> torch.nn.Module:
    """With frozen batch norm layers without epsilon, as its weights were trained."""
    backbone = resnet_fpn_backbone(backbone_name="resnet50", weights=None, norm_layer=FrozenBatchNorm2d)
    for layer in backbone.modules():
        if isinstance(layer, FrozenBatchNorm2d):
            layer.eps = 0.0
    return KeypointRCNN(backbone, num_classes=2, num_keypoints=KEYPOINTS, **options)
