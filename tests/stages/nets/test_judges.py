"""LPIPS, FID and IS: planted weights are the ones that count, and without weights there is a reason and no number."""

import lpips
import numpy as np
import pytest
import torch
from torch import nn
from torchvision import models

from stages import InputError, weights
from stages.nets import judges


@pytest.fixture()
def folder(monkeypatch, tmp_path):
    """An empty folder of weights in which the networks may be any files; nothing can be fetched."""
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    anything = weights.File(licence="own")
    monkeypatch.setattr(weights, "table", lambda: {weights.ALEXNET: anything, weights.INCEPTION: anything})
    return tmp_path


def pictures(count=3):
    return np.random.default_rng(0).integers(0, 255, (count, 64, 64, 3), np.uint8)


def test_without_weights_every_score_is_null_with_the_reason(folder):
    found = judges.Judges(torch.device("cpu"))
    found.add(*pictures())
    for value, reason in found.scores().values():
        assert value is None and "weights could not be had" in reason


def test_lpips_uses_the_planted_backbone(folder):
    torch.manual_seed(0)
    network = models.alexnet(weights=None)
    torch.save(network.state_dict(), folder / weights.ALEXNET)
    found = judges.Judges(torch.device("cpu"))
    a, b, _ = pictures()
    found.add(a, b, b)
    expected = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    layers = [module for module in network.features if isinstance(module, nn.Conv2d)]
    for own, planted in zip((m for m in expected.net.modules() if isinstance(m, nn.Conv2d)), layers, strict=True):
        own.load_state_dict(planted.state_dict())
    tensors = [torch.from_numpy(x).permute(2, 0, 1)[None] / 127.5 - 1 for x in (a, b)]
    assert found.scores()["lpips"][0] == pytest.approx(expected(*tensors).item(), rel=1e-5)


def test_a_file_of_something_else_is_an_error_not_a_score(folder):
    (folder / weights.INCEPTION).write_bytes(b"not weights")
    with pytest.raises(InputError, match="not a file of trained weights"):
        judges.Judges(torch.device("cpu"))
