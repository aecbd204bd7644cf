"""The real networks of ultralytics, untrained, with raw outputs planted in their last layer: decoding, non-maximum
suppression and letterbox are the library's own."""

import subprocess
import sys
from copy import deepcopy
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

if find_spec("ultralytics") is None:
    pytest.skip("requirements-ultralytics.txt is not installed", allow_module_level=True)

from stages import InputError, pretrained  # noqa: E402
from stages.estimators import ultralytics  # noqa: E402
from tests.stages.estimators import scenes  # noqa: E402
from tests.stages.estimators.scenes import RED, SCORES, TALL, WIDE  # noqa: E402

SIDE = 320  # pixels of the longer side within the network, 640 when it is used
INNER = {WIDE: ((320, 207), (0, 8)), TALL: ((217, 320), (3, 0))}  # width, height and left, top within the letterbox
PERSON, DOG = 0, 16
STRIDE = 32  # of the coarsest of the three levels, whose anchors get the planted outputs


@pytest.fixture(scope="module", params=["yolo11n", "yolo26n"])
def networks(request, tmp_path_factory):
    """task -> an adapter's network, its weights from a pickled network like those that ultralytics publishes; its
    last input is kept in `.seen`."""
    path, built = tmp_path_factory.mktemp("yolo") / "yolo.pt", {}
    torch.manual_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretrained, "file_name", lambda *which: path.name)
        patch.setattr(pretrained, "find", lambda name: path)
        patch.setattr(ultralytics, "_INPUT_SIZE", SIDE)
        for task in ("pose", "mask"):
            model = ultralytics.build(task, request.param)
            torch.save({"model": deepcopy(model).half(), "ema": None, "train_args": {"imgsz": 640}, "epoch": -1}, path)
            built[task] = one = ultralytics._Network(task, request.param, "cpu")
            first = model.half().float().fuse(verbose=False).model[0].conv.weight
            assert torch.allclose(one._model.model[0].conv.weight, first)
            one._model.register_forward_pre_hook(lambda _, given, one=one: setattr(one, "seen", given[0]))
    return built


@pytest.fixture
def network(networks, monkeypatch):
    """The networks above; the adapter's classes use them."""
    scenes.use(monkeypatch, ultralytics, networks)
    return networks


def plant(network, planted) -> None:
    head, mask, queue = network._model.model[-1], network._task == "mask", list(planted)
    newer = head.reg_max == 1  # YOLO26 (no NMS): boxes are four plain distances, keypoints are offsets from the anchor
    current = []  # the scenes of the current batch

    def raw(features, **_):
        current[:] = [queue.pop(0) for _ in range(len(features[0]))]
        columns = [outputs(features, scene) for scene in current]
        values = {name: torch.tensor(np.stack([column[name] for column in columns])).float() for name in columns[0]}
        return {**values, "feats": features}

    def outputs(features, scene):
        sides = [feature.shape[2:] for feature in features]
        starts = np.cumsum([0] + [height * width for height, width in sides])
        empty = {"boxes": 4 * head.reg_max, "scores": head.nc} | ({"mask_coefficient": 32} if mask else {"kpts": 51})
        values = {name: np.zeros((count, starts[-1])) for name, count in empty.items()}
        values["scores"] -= 30
        size, corner = map(np.array, INNER[scene])
        scale = size / (scene.width, scene.height)
        people = [(0, 0, 0, SCORES[0]), (1, 0, 0, SCORES[1]), (2, 0, -1, SCORES[2])][:3 if mask else 2]
        if not newer:
            people.append((0, 1.5, 1, 0.6))  # a duplicate of the first person, at the next anchor
        for who, shift, next_to, score in people:
            box = (scene.boxes[who] + shift) * np.tile(scale, 2) + np.tile(corner, 2)
            column, row = ((box[:2] + box[2:]) / 2 // STRIDE).astype(int) + (next_to, 0)
            anchor, at = np.array([column, row]) + 0.5, starts[2] + row * sides[2][1] + column
            distances = np.concatenate([anchor - box[:2] / STRIDE, box[2:] / STRIDE - anchor])
            values["boxes"][:, at] = distances if newer else spread(distances)
            values["scores"][DOG if who == 2 else PERSON, at] = np.log(score / (1 - score))
            if mask:
                values["mask_coefficient"][who, at] = 1
            else:
                places = (scene.keypoints[who] * scale + corner) / STRIDE  # (17, 2)
                offsets = places - anchor if newer else (places - anchor + 0.5) / 2
                seen = np.where(np.arange(17) == scenes.HIDDEN, -4, 4)
                values["kpts"][:, at] = np.column_stack([offsets, seen]).ravel()
        return values

    def prototypes(features):
        height, width = (features[0] if isinstance(features, list) else features).shape[2:]
        rows, columns = (np.mgrid[:2 * height, :2 * width] + 0.5) * 4  # pixels within the letterbox
        protos = np.zeros((len(current), 32, 2 * height, 2 * width))
        for scene, proto in zip(current, protos):
            size, corner = map(np.array, INNER[scene])
            places = (np.stack([columns, rows], -1) - corner) / size * (scene.width, scene.height)
            for who in range(3):
                proto[who] = np.where(scene.inside(who, places), 4, -4)
        return torch.tensor(protos).float()

    head.forward_head = raw
    if mask:
        head.proto.forward = prototypes


def spread(distances: np.ndarray) -> np.ndarray:
    """Distances (4,) as YOLO11's logits over 16 integer distances (64,)."""
    below = np.floor(distances).astype(int)
    logits = np.full((4, 16), -40.0)
    for row, (low, distance) in enumerate(zip(below, distances)):
        logits[row, [low, low + 1]] = np.log(np.clip([low + 1 - distance, distance - low], 1e-9, 1))
    return logits.ravel()


def test_people(network):
    scenes.check_people(ultralytics.Detector("any", "cpu"), partial(plant, network["mask"]))


def test_masks(network):
    scenes.check_masks(ultralytics.Segmenter("any", "cpu"), partial(plant, network["mask"]))


def test_poses(network):
    about = Path(find_spec("ultralytics").origin).parent / "cfg/datasets/coco-pose.yaml"
    names = yaml.safe_load(about.read_text())["kpt_names"][0]
    scenes.check_poses(ultralytics.PoseEstimator("any", "cpu"), partial(plant, network["pose"]), names)


def test_a_batch_equals_its_images_one_by_one(network):
    scenes.check_one_by_one(ultralytics.PoseEstimator("any", "cpu"), partial(plant, network["pose"]))


@pytest.mark.parametrize("task", ["pose", "mask"])
def test_the_network_input_is_rgb_with_a_grey_border(network, task):
    plant(network[task], [TALL])
    network[task]([TALL.picture])
    seen = network[task].seen[0]  # (3, h, w)
    assert seen.shape == (3, 320, 224)
    np.testing.assert_allclose(seen[:, 150, [3, 219]], np.tile(np.array(RED)[:, None] / 255, 2), atol=1e-6)
    np.testing.assert_allclose(seen[:, 150, [2, 220]], np.full((3, 2), 114 / 255), atol=1e-6)


def test_an_unknown_model_is_rejected():
    with pytest.raises(InputError, match="has no model yolo11q-pose.yaml"):
        ultralytics.build("pose", "yolo11q")


def test_importing_it_uses_no_internet_and_changes_neither_threads_nor_the_home_folder(tmp_path):
    code = """if True:
        import cv2, socket, sys
        def refuse(*given):
            raise AssertionError(f"looks up {given}")
        socket.getaddrinfo = socket.socket.connect = refuse
        before = cv2.getNumThreads()
        from stages.estimators import ultralytics
        from ultralytics.utils import AUTOINSTALL, ONLINE
        assert (AUTOINSTALL, ONLINE) == (False, False)
        assert cv2.getNumThreads() == before
        import torch
        print(torch.get_num_threads())"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={"HOME": str(tmp_path)})
    assert done.returncode == 0, done.stderr
