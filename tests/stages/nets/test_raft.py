"""RAFT with random weights, because the trained ones are not available to the tests: inputs have the right range, size and
order, and outputs are those of torchvision's network. The quality of the flow is not tested."""

import hashlib

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torchvision.models.optical_flow import raft_large

from stages import pretrained
from stages.imaging import optical_flow

CPU = torch.device("cpu")


def texture(seed, height, width):
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return raft_large(weights=None).eval()


@pytest.fixture
def planted(network, tmp_path, monkeypatch):
    """The network's weights, saved under the name of the trained ones."""
    monkeypatch.setattr(pretrained, "METRIC_FOLDER", tmp_path)
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    path = tmp_path / pretrained.RAFT
    torch.save(network.state_dict(), path)
    known = pretrained.WeightFile(licence="own", sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    monkeypatch.setattr(pretrained, "table", lambda: {pretrained.RAFT: known})


def test_the_flow_is_the_network_s_output(network, planted):
    first, second = texture(0, 136, 128), texture(1, 136, 128)
    model = optical_flow.choose_flow("raft", CPU)
    forward, backward = model.both(first, second)
    one, other = (torch.from_numpy(x).permute(2, 0, 1)[None].float() / 255 * 2 - 1 for x in (first, second))
    with torch.inference_mode():
        expected, back = (network(*pair)[-1][0].permute(1, 2, 0).numpy() for pair in ((one, other), (other, one)))
    assert forward.shape == (136, 128, 2) and forward.dtype == np.float32 and "RAFT" in model.name
    assert np.allclose(forward, expected, atol=1e-3) and np.allclose(backward, back, atol=1e-3)
    assert np.abs(expected - back).max() > 0.1  # the order matters
    assert np.allclose(model(first, second), forward, atol=1e-3)


def test_images_of_other_sizes_are_padded(network, planted):
    """70 x 90 pixels: fewer than it needs, and no multiples of eight."""
    first, second = texture(0, 70, 90), texture(1, 70, 90)
    found = optical_flow.choose_flow("raft", CPU)(first, second)
    one, other = (F.pad(torch.from_numpy(x).permute(2, 0, 1)[None] / 127.5 - 1, (0, 38, 0, 58), mode="replicate")
                  for x in (first, second))
    with torch.inference_mode():
        expected = network(one, other)[-1][0, :, :70, :90].permute(1, 2, 0).numpy()
    assert found.shape == (70, 90, 2) and np.allclose(found, expected, atol=1e-3)
    motion = optical_flow.FlowPair.measure(optical_flow.choose_flow("raft", CPU), (first, second))
    tcm, own = optical_flow.temporal_consistency(motion, (first, second))
    assert own == motion.error and (tcm == 1 or np.isnan(tcm))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_finds_the_same(planted):
    first, second = texture(0, 192, 128), texture(1, 192, 128)
    here, there = (optical_flow.choose_flow("raft", torch.device(name))(first, second) for name in ("cpu", "cuda"))
    assert np.abs(here - there).mean() < 0.05 * np.abs(here).mean()


def test_missing_weights_are_an_error_that_says_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "METRIC_FOLDER", tmp_path)
    message = f"(?s){pretrained.RAFT}.*weights fetch.*weights take FOLDER.*metrics.flow to `dis`"
    with pytest.raises(pretrained.MissingWeights, match=message):
        optical_flow.choose_flow("raft", CPU)
