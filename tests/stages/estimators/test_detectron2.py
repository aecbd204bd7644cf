"""The real networks of detectron2, untrained, with outputs planted in their heads: decoding, non-maximum suppression
and scaling are the library's own."""

import pickle
from functools import partial

import numpy as np
import pytest
import torch

pytest.importorskip("detectron2", reason="requirements-detectron2.txt is not installed")

from detectron2.data.datasets.builtin_meta import COCO_PERSON_KEYPOINT_NAMES  # noqa: E402
from detectron2.data.transforms import ResizeShortestEdge  # noqa: E402
from detectron2.modeling import build_model  # noqa: E402
from detectron2.structures import Boxes, Instances  # noqa: E402

from stages import InputError, pretrained  # noqa: E402
from stages.estimators import detectron2  # noqa: E402
from tests.stages.estimators import scenes  # noqa: E402
from tests.stages.estimators.scenes import RED, SCENES, SCORES  # noqa: E402

SIDE = 64   # pixels of the shorter side within the network, 800 when it is used
PERSON, DOG = 0, 16


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """task -> an adapter's network, its weights from a file like those of the model zoo; its last input is kept in
    `.seen`."""
    folder, built = tmp_path_factory.mktemp("zoo"), {}
    torch.manual_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretrained, "find", lambda name: folder / "model_final.pkl")
        for task in ("pose", "mask"):
            state = build_model(detectron2.configuration(task, "R50-FPN", "cpu")).state_dict()
            arrays = {name: tensor.numpy() for name, tensor in state.items() if not name.startswith("pixel")}
            arrays["proposal_generator.anchor_generator.cell_anchors.0"] = np.zeros((3, 4))  # as in the zoo's files
            content = {"model": arrays, "__author__": "Detectron2 Model Zoo"}
            (folder / "model_final.pkl").write_bytes(pickle.dumps(content))
            built[task] = one = detectron2._Network(task, "R50-FPN", "cpu")
            loaded = one._model.state_dict()
            assert all(torch.equal(tensor, loaded[name]) for name, tensor in state.items())
            one._resize = ResizeShortestEdge(SIDE, 1333)
            one._model.backbone.register_forward_pre_hook(lambda _, given, one=one: setattr(one, "seen", given[0]))
    return built


@pytest.fixture
def network(networks, monkeypatch):
    """The networks above; the adapter's classes use them."""
    scenes.use(monkeypatch, detectron2, networks)
    return networks


def plant(network, planted) -> None:
    model, mask = network._model, network._model.roi_heads.mask_on
    who = range(3 if mask else 2)

    def proposals(images, features, targets):
        assert len(images.image_sizes) == len(planted)
        given = []
        for (height, width), scene in zip(images.image_sizes, planted):
            boxes = scene.boxes[[*who, 0]] * ([width / scene.width, height / scene.height] * 2)
            boxes[-1] += 1.5  # a duplicate of the first person
            given.append(Instances((height, width), proposal_boxes=Boxes(torch.tensor(boxes).float()),
                                   objectness_logits=torch.zeros(len(boxes))))
        return given, {}

    def classes(features):
        count, labels = 80 if mask else 1, [PERSON, PERSON, DOG]
        logits = torch.full((len(who) + 1, count + 1), -20.0)  # the background is the last one
        for row, (label, score) in enumerate([*zip(labels[:len(who)], SCORES), (PERSON, 0.6)]):
            logits[row, [count, label]] = torch.tensor([1 - score, score]).log()
        return logits.repeat(len(planted), 1), torch.zeros(len(planted) * len(logits), 4 * count)

    def heads(features, of, side):
        return torch.tensor(np.stack([of(scene, i, side) for scene in planted for i in who]))

    model.proposal_generator.forward, model.roi_heads.box_predictor.forward = proposals, classes
    if mask:
        model.roi_heads.mask_head.layers = lambda features: heads(
            features, scenes.cells, 28)[:, None].expand(-1, 80, -1, -1)
    else:
        model.roi_heads.keypoint_head.layers = partial(heads, of=scenes.heat, side=56)


def test_people(network):
    scenes.check_people(detectron2.Detector("R50-FPN", "cpu"), partial(plant, network["mask"]))


def test_masks(network):
    scenes.check_masks(detectron2.Segmenter("R50-FPN", "cpu"), partial(plant, network["mask"]))


def test_poses(network):
    estimator = detectron2.PoseEstimator("R50-FPN", "cpu")
    scenes.check_poses(estimator, partial(plant, network["pose"]), list(COCO_PERSON_KEYPOINT_NAMES))


def test_a_batch_equals_its_images_one_by_one(network):
    scenes.check_one_by_one(detectron2.PoseEstimator("R50-FPN", "cpu"), partial(plant, network["pose"]))


@pytest.mark.parametrize("task", ["pose", "mask"])
def test_the_network_input_is_bgr_scaled_minus_the_mean(network, task):
    plant(network[task], SCENES)
    network[task]([scene.picture for scene in SCENES])
    seen = network[task].seen
    assert seen.shape == (2, 3, 96, 128)  # 64 x 99 and 95 x 64, padded to multiples of 32
    np.testing.assert_allclose(seen[0, :, 30, 30], np.array(RED[::-1]) - (103.53, 116.28, 123.675), atol=1e-3)


@pytest.mark.parametrize("task", ["pose", "mask"])
@pytest.mark.parametrize("model", ["R50-FPN", "R101-FPN", "X101-FPN"])
def test_configuration_matches_the_weights(task, model):
    source = pretrained.entry_of(pretrained.file_name("detectron2", task, model)).source
    config = detectron2.configuration(task, model, "cpu")
    assert {"R50-FPN": "_R_50_", "R101-FPN": "_R_101_", "X101-FPN": "_X_101_32x8d_"}[model] in source
    depth, groups = {"R50-FPN": (50, 1), "R101-FPN": (101, 1), "X101-FPN": (101, 32)}[model]
    assert (config.MODEL.RESNETS.DEPTH, config.MODEL.RESNETS.NUM_GROUPS) == (depth, groups)
    assert (config.MODEL.KEYPOINT_ON, config.MODEL.MASK_ON) == (task == "pose", task == "mask")
    assert ("COCO-Keypoints" if task == "pose" else "COCO-InstanceSegmentation") in source


def test_an_unknown_model_is_rejected():
    with pytest.raises(InputError, match="no model R18-FPN.*R50-FPN, R101-FPN, X101-FPN"):
        detectron2.configuration("mask", "R18-FPN", "cpu")
