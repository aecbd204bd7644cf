"""The real networks of torchvision, untrained, with outputs planted in their heads: decoding, non-maximum suppression
and scaling are the library's own."""

from functools import partial

import numpy as np
import pytest
import torch
from torchvision.models.detection.keypoint_rcnn import KeypointRCNN_ResNet50_FPN_Weights

from stages import pretrained
from stages.estimators import torchvision
from tests.stages.estimators import scenes
from tests.stages.estimators.scenes import RED, SCENES, SCORES, WIDE

SIDE = 64   # pixels of the shorter side within the network, 800 when it is used
PERSON, DOG = 1, 18


@pytest.fixture(scope="module")
def networks():
    """task -> an adapter's network; its last input is kept in `.seen`."""
    with pytest.MonkeyPatch.context() as patch:
        torch.manual_seed(0)
        states = {"pose": torchvision.keypoint_rcnn().state_dict(), "mask": torchvision.mask_rcnn().state_dict()}
        patch.setattr(pretrained, "find", lambda name: name)
        patch.setattr(pretrained, "load", lambda name: states["pose" if "keypoint" in name else "mask"])
        built = {task: torchvision._Network(task, "R50-FPN", "cpu") for task in states}
    for one in built.values():
        one._model.transform.min_size = (SIDE,)
        one._model.backbone.register_forward_pre_hook(lambda _, given, one=one: setattr(one, "seen", given[0]))
    return built


def plant(network, planted) -> None:
    model, mask = network._model, network._model.roi_heads.has_mask()
    who = range(3 if mask else 2)

    def proposals(images, features, targets=None):
        assert len(images.image_sizes) == len(planted)
        boxes = [scene.boxes[[*who, 0]] for scene in planted]
        boxes[0] = boxes[0] + np.array([[0]] * len(who) + [[1.5]])  # a duplicate of the first person
        scales = [np.array([w / scene.width, h / scene.height] * 2)
                  for (h, w), scene in zip(images.image_sizes, planted)]
        return [torch.tensor(box * scale).float() for box, scale in zip(boxes, scales)], {}

    def classes(features):
        count, labels = 91 if mask else 2, [PERSON, PERSON, DOG]
        logits = torch.full((len(who) + 1, count), -20.0)
        for row, (label, score) in enumerate([*zip(labels[:len(who)], SCORES), (PERSON, 0.6)]):
            logits[row, [0, label]] = torch.tensor([1 - score, score]).log()
        return logits.repeat(len(planted), 1), torch.zeros(len(planted) * len(logits), 4 * count)

    def heads(features, of, side):
        return torch.tensor(np.stack([of(scene, i, side) for scene in planted for i in who]))

    model.rpn.forward, model.roi_heads.box_predictor.forward = proposals, classes
    if mask:
        model.roi_heads.mask_predictor.forward = lambda features: heads(
            features, scenes.cells, 28)[:, None].expand(-1, 91, -1, -1)
    else:
        model.roi_heads.keypoint_predictor.forward = partial(heads, of=scenes.heat, side=56)


@pytest.fixture
def network(networks, monkeypatch):
    """The networks above; the adapter's classes use them."""
    scenes.use(monkeypatch, torchvision, networks)
    return networks


def test_people(network):
    scenes.check_people(torchvision.Detector("R50-FPN", "cpu"), partial(plant, network["mask"]))


def test_masks(network):
    scenes.check_masks(torchvision.Segmenter("R50-FPN", "cpu"), partial(plant, network["mask"]))


def test_poses(network):
    names = KeypointRCNN_ResNet50_FPN_Weights.DEFAULT.meta["keypoint_names"]
    scenes.check_poses(torchvision.PoseEstimator("R50-FPN", "cpu"), partial(plant, network["pose"]), names)


def test_a_batch_equals_its_images_one_by_one(network):
    scenes.check_one_by_one(torchvision.PoseEstimator("R50-FPN", "cpu"), partial(plant, network["pose"]))


@pytest.mark.parametrize("task", ["pose", "mask"])
def test_the_network_input_is_rgb_scaled_and_normalised(network, task):
    plant(network[task], SCENES)
    network[task]([scene.picture for scene in SCENES])
    seen, preset = network[task].seen, KeypointRCNN_ResNet50_FPN_Weights
    assert seen.shape == (2, 3, 96, 128)  # 64 x 98 and 94 x 64, padded to multiples of 32
    normal = (np.array(RED) / 255 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    np.testing.assert_allclose(seen[0, :, 30, 30], normal, atol=1e-5)
    assert preset.DEFAULT.url.endswith(pretrained.file_name("torchvision", "pose", "R50-FPN"))


def test_an_image_without_people(network):
    plant(network["pose"], [WIDE])
    network["pose"]._model.rpn.forward = lambda *_: ([torch.zeros(1, 4) + torch.tensor([0, 0, 9, 9])], {})
    network["pose"]._model.roi_heads.box_predictor.forward = lambda _: (torch.tensor([[9.0, 0]]), torch.zeros(1, 8))
    network["pose"]._model.roi_heads.keypoint_predictor.forward = lambda given: torch.zeros(len(given), 17, 56, 56)
    assert len(network["pose"]([WIDE.picture])[0].boxes) == 0
