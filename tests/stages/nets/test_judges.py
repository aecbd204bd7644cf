"""LPIPS, FID and IS: planted weights are the ones that count, and without weights there is a reason and no number."""

import lpips
import numpy as np
import pytest
import torch
from torch import nn
from torchvision import models

from stages.nets import judges


@pytest.fixture()
def offline(monkeypatch, tmp_path):
    """An empty folder without weights, where every download fails."""
    def refuse(*_, **__):
        raise OSError("no network")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    monkeypatch.setattr("urllib.request.urlopen", refuse)
    return tmp_path


def pictures(count=3):
    return np.random.default_rng(0).integers(0, 255, (count, 64, 64, 3), np.uint8)


def test_without_weights_every_score_is_null_with_the_reason(offline):
    found = judges.Judges(torch.device("cpu"))
    found.add(*pictures())
    for value, reason in found.scores().values():
        assert value is None and "weights could not be had" in reason


def test_lpips_uses_the_planted_backbone(offline):
    torch.manual_seed(0)
    network = models.alexnet(weights=None)
    (offline / "weights").mkdir()
    torch.save(network.state_dict(), judges.ALEXNET)
    found = judges.Judges(torch.device("cpu"))
    a, b, _ = pictures()
    found.add(a, b, b)
    expected = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    layers = [module for module in network.features if isinstance(module, nn.Conv2d)]
    for own, planted in zip((m for m in expected.net.modules() if isinstance(m, nn.Conv2d)), layers, strict=True):
        own.load_state_dict(planted.state_dict())
    tensors = [torch.from_numpy(x).permute(2, 0, 1)[None] / 127.5 - 1 for x in (a, b)]
    assert found.scores()["lpips"][0] == pytest.approx(expected(*tensors).item(), rel=1e-5)


def test_a_file_with_other_weights_is_no_score(offline):
    (offline / "weights").mkdir()
    judges.INCEPTION.write_bytes(b"not weights")
    assert judges.Judges(torch.device("cpu")).scores()["fid"][0] is None
