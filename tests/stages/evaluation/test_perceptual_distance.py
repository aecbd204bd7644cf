"""LPIPS of frames, boxes and videos against two other implementations; without weights a reason, no score."""

import pickle
from types import SimpleNamespace

import cv2
import lpips
import numpy as np
import pytest
import torch
from torch import nn
from torchmetrics.functional.image.lpips import _LPIPS

from stages import pretrained
from stages.evaluation import perceptual_distance
from stages.evaluation.metric_names import LPIPS_SCORES
from stages.nets.vgg import Vgg

CPU = torch.device("cpu")
REGIONS = {"person_box": (4, 10, 70, 96), "face": (30, 10, 54, 35), "left_hand": (0, 40, 11, 64)}


def pictures(count=3, seed=0):
    return np.random.default_rng(seed).integers(0, 255, (count, 96, 96, 3), np.uint8)


def reference(truth, retrieved=None):
    return SimpleNamespace(truth=truth, retrieved=retrieved, fill_unseen=lambda picture: picture)


def tensor(picture):
    return torch.from_numpy(picture).permute(2, 0, 1)[None] / 127.5 - 1  # (1, 3, H, W)


def cut_out(picture, left, top, right, bottom):
    """Its shorter side 64 pixels long where that is shorter."""
    size = {(66, 86): (66, 86), (24, 25): (64, 64), (11, 24): (64, 136), (96, 96): (96, 96)}[right - left, bottom - top]
    return cv2.resize(picture[top:bottom, left:right], size, interpolation=cv2.INTER_CUBIC)


def test_the_network_of_lpips_is_torchvisions_alexnet(trained):
    """By the first row of the first kernel, as torchvision prints it."""
    row = next(perceptual_distance.lpips_network().net.parameters())[0, 0, 0]
    assert torch.allclose(row[[0, 1, 2, -3, -2, -1]], torch.tensor(
        [1.1864e-01, 9.4069e-02, 9.5435e-02, 5.5822e-02, 2.1575e-02, 4.9963e-02]), rtol=1e-4)


def test_by_vgg_it_is_the_network_of_the_perceptual_loss(trained):
    """Of equal pictures it is 0, and its first features are those of `Vgg`."""
    network, picture = perceptual_distance.lpips_network("vgg").eval(), torch.rand(1, 3, 64, 64)
    weights = dict(zip(("lpips", "loss"), (next(net.parameters()) for net in (network.net, Vgg("vgg16", 1)))))
    assert torch.equal(weights["lpips"], weights["loss"])
    with torch.no_grad():
        assert network(picture, picture).item() == 0 < network(picture, picture.flip(-1)).item()


def test_lpips_against_lpips_and_torchmetrics(trained):
    found = perceptual_distance.PerceptualDistance(CPU)
    given, shown, truths, copies = (pictures(2, seed) for seed in range(4))
    for picture, video, truth, copied in zip(given, shown, truths, copies):
        found.add(picture, reference(truth, copied), REGIONS, video)
    columns = found.columns()
    assert set(columns) == set(LPIPS_SCORES)
    theirs = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False).eval(), _LPIPS(net="alex", pnet_rand=True).eval()
    content = pickle.loads(pretrained.packaged(pretrained.ALEXNET).read_bytes())["AlexNet_0"]
    regions = {"": (0, 0, 96, 96)} | {f"_{region}": box for region, box in REGIONS.items()}
    for other in theirs:
        for i, own in enumerate(module for module in other.net.modules() if isinstance(module, nn.Conv2d)):
            layer = content[f"Conv_{i}"]
            state = {"weight": layer["kernel"].transpose(3, 2, 0, 1), "bias": layer["bias"]}
            own.load_state_dict({name: torch.tensor(array) for name, array in state.items()})

        def distance(first, second, box):
            return other(tensor(cut_out(first, *box)), tensor(cut_out(second, *box))).item()

        for i in range(2):
            for end, box in regions.items():
                assert columns[f"lpips{end}"][i] == pytest.approx(distance(given[i], truths[i], box), rel=1e-4)
                assert columns[f"video_lpips{end}"][i] == pytest.approx(distance(shown[i], truths[i], box), rel=1e-4)
            copied = distance(copies[i], truths[i], REGIONS["person_box"])
            assert columns["retrieval_lpips_person_box"][i] == pytest.approx(copied, rel=1e-4)
            change = distance(given[i], shown[i], regions[""])
            assert columns["delivery_lpips"][i] == pytest.approx(change, rel=1e-4)
    assert np.isnan(columns["lpips_right_hand"]).all()  # which was nowhere


def test_without_a_truth_only_what_the_video_changes_is_known(trained):
    found = perceptual_distance.PerceptualDistance(CPU)
    found.add(pictures()[0], reference(None), REGIONS, pictures()[1])
    columns = found.columns()
    assert {name for name, (value,) in columns.items() if np.isfinite(value)} == {"delivery_lpips"}


def test_without_weights_every_score_is_null_with_the_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "METRIC_FOLDER", tmp_path)
    found = perceptual_distance.PerceptualDistance(CPU)
    found.add(pictures()[0], reference(pictures()[1]), REGIONS, None)
    assert found.columns() == found.totals() == {} and set(found.reasons) == set(LPIPS_SCORES)
    assert all("weights are not available" in reason for reason in found.reasons.values())
