"""detectron2's Keypoint R-CNN and Mask R-CNN (Apache-2.0), which the paper uses, in detectron2's configurations
for the 3x schedule."""

from collections.abc import Sequence

import numpy as np
import torch
from detectron2 import model_zoo
from detectron2.data.transforms import ResizeShortestEdge
from detectron2.modeling import build_model
from detectron2.modeling.postprocessing import detector_postprocess
from detectron2.structures import Instances

from stages import InputError
from stages.estimators import instances, rcnn
from stages.estimators.instances import MIN_SCORE, Detections, load_trained
from stages.learning import devices

_CONFIGS = {"mask": "COCO-InstanceSegmentation/mask_rcnn_{}_3x.yaml", "pose": "COCO-Keypoints/keypoint_rcnn_{}_3x.yaml"}
_BACKBONES = {"R50-FPN": "R_50_FPN", "R101-FPN": "R_101_FPN", "X101-FPN": "X_101_32x8d_FPN"}
_PERSON = 0


class _Network:
    def __init__(self, task: str, model: str, device: str):
        config = configuration(task, model, device)
        self._model = load_trained(build_model(config), "detectron2", task, model, device)
        self._resize = ResizeShortestEdge(config.INPUT.MIN_SIZE_TEST, config.INPUT.MAX_SIZE_TEST)

    @torch.inference_mode()
    def __call__(self, images: Sequence[np.ndarray]) -> list[Detections]:
        found = self._model.inference([{"image": self._input(image)} for image in images], do_postprocess=False)
        return [_to_detections(people[people.pred_classes == _PERSON], image.shape[:2])
                for people, image in zip(found, images)]

    def _input(self, rgb: np.ndarray) -> torch.Tensor:
        """The resized image as BGR floats (3, h, w) in [0, 255]."""
        resized = self._resize.get_transform(rgb).apply_image(rgb)
        return torch.from_numpy(np.ascontiguousarray(resized[..., ::-1].transpose(2, 0, 1))).float()


Detector, Segmenter, PoseEstimator = instances.adapter_classes(_Network)


def configuration(task: str, model: str, device: str):
    """detectron2's configuration of a network. Raises InputError for an unknown model."""
    if model not in _BACKBONES:
        raise InputError(f"params.yaml: detectron2 has no model {model}; expected one of {', '.join(_BACKBONES)}")
    config = model_zoo.get_config(_CONFIGS[task].format(_BACKBONES[model]))
    config.MODEL.DEVICE = str(devices.choose(device))
    config.MODEL.ROI_HEADS.SCORE_THRESH_TEST = MIN_SCORE
    return config


def _to_detections(people: Instances, shape: tuple[int, int]) -> Detections:
    """Converts the network's output to pixels of an image of the given shape."""
    if people.has("pred_masks"):  # not pasted here: detectron2 would binarise them, and few are needed
        people.set("cells", people.pred_masks[:, 0])
        people.remove("pred_masks")
    people = detector_postprocess(people, *shape).to("cpu")
    boxes, scores = people.pred_boxes.tensor.numpy(), people.scores.numpy()
    if people.has("cells"):
        return Detections(boxes, scores, mask=lambda i: rcnn.paste_mask(people.cells[i].numpy(), boxes[i], shape))
    keypoints = people.pred_keypoints.numpy()  # (N, 17, 3)
    keypoints[..., 2] = rcnn.keypoint_confidence(people.pred_keypoint_heatmaps).numpy()
    return Detections(boxes, scores, keypoints)
