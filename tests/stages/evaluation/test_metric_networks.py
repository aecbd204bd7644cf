"""FID and IS against other implementations, with planted networks; and without weights a reason, no number."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch import nn

from stages import InputError, pretrained
from stages.evaluation import metric_networks

CPU = torch.device("cpu")


@pytest.fixture()
def folder(monkeypatch, tmp_path):
    """An empty folder of weights in which the networks may be any files."""
    monkeypatch.setattr(pretrained, "METRIC_FOLDER", tmp_path)
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    monkeypatch.setattr(pretrained, "table", lambda: {pretrained.INCEPTION: pretrained.WeightFile(licence="own")})
    return tmp_path


def pictures(count=3, seed=0):
    return np.random.default_rng(seed).integers(0, 255, (count, 64, 64, 3), np.uint8)


def reference(truth, real=None):
    return SimpleNamespace(truth=truth, real=truth if real is None else real, completed=lambda picture: picture)


class Planted(nn.Module):
    """In place of Inception: of each picture mean colours of a grid, as features and, mixed, as logits."""

    def forward(self, batch):
        means = nn.functional.adaptive_avg_pool2d(batch.float(), 2).flatten(1)  # (n, 12)
        return means, means @ torch.linspace(-0.2, 0.2, 12 * 5).view(12, 5)


@pytest.fixture()
def planted(monkeypatch, folder):
    monkeypatch.setattr(metric_networks, "_inception", Planted)
    monkeypatch.setattr(metric_networks.Features, "num_features", 12)


def test_without_weights_every_score_is_null_with_the_reason(folder):
    found = metric_networks.MetricNetworks(CPU)
    found.add(pictures()[0], reference(pictures()[1]), {}, None)
    assert found.columns() == found.totals() == {}
    assert set(found.reasons) == {"fid", "is"}
    assert all("weights could not be had" in reason for reason in found.reasons.values())


def test_the_network_of_lpips_is_torchvisions_alexnet(trained):
    """By the first row of the first kernel, as torchvision prints it."""
    row = next(metric_networks.lpips_network().net.parameters())[0, 0, 0]
    assert torch.allclose(row[[0, 1, 2, -3, -2, -1]], torch.tensor(
        [1.1864e-01, 9.4069e-02, 9.5435e-02, 5.5822e-02, 2.1575e-02, 4.9963e-02]), rtol=1e-4)


def test_fid_against_its_formula(planted):
    """Of features that the planted network gives: |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^1/2)."""
    found, given, real = metric_networks.MetricNetworks(CPU), pictures(30), pictures(30, seed=1) // 2
    for picture, other in zip(given, real):
        found.add(picture, reference(None, other), {}, None)
    features = [Planted()(torch.from_numpy(batch).permute(0, 3, 1, 2))[0].double().numpy() for batch in (given, real)]
    (m1, c1), (m2, c2) = ((x.mean(0), np.cov(x, rowvar=False)) for x in features)
    expected = ((m1 - m2) ** 2).sum() + np.trace(c1 + c2 - 2 * sqrtm(c1 @ c2).real)
    assert found.totals()["fid"] == pytest.approx(expected, rel=1e-4)
    assert found.columns() == {}
    statistic = found.statistics()["fid"]
    assert statistic(np.arange(30)) == pytest.approx(expected, rel=1e-6)
    (m1, c1), (m2, c2) = ((x[5:].mean(0), np.cov(x[5:], rowvar=False)) for x in features)
    expected = ((m1 - m2) ** 2).sum() + np.trace(c1 + c2 - 2 * sqrtm(c1 @ c2).real)
    assert statistic(np.arange(5, 30)) == pytest.approx(expected, rel=1e-6)


def test_fid_of_fewer_pictures_than_features():
    """Where the covariances have no full rank; against the root by eigenvalues of one, which has no such trouble."""
    draw = np.random.default_rng(0)
    own, real = draw.normal(size=(12, 40)), draw.normal(1, 2, (9, 40))
    (m1, c1), (m2, c2) = ((x.mean(0), np.cov(x, rowvar=False)) for x in (own, real))
    values, vectors = np.linalg.eigh(c1)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    both = np.sqrt(np.linalg.eigvalsh(root @ c2 @ root).clip(0)).sum()
    expected = ((m1 - m2) ** 2).sum() + np.trace(c1 + c2) - 2 * both
    assert metric_networks.frechet(torch.tensor(own), torch.tensor(real)) == pytest.approx(expected, rel=1e-6)


def test_is_by_hand(planted):
    """The mean over ten parts of exp(mean of KL(p(y|x) || p(y))), of the frames in a fixed random order."""
    found, given = metric_networks.MetricNetworks(CPU), pictures(40) // np.arange(1, 41, dtype=np.uint8)[:, None, None, None]
    for picture in given:
        found.add(picture, reference(picture), {}, None)
    logits = Planted()(torch.from_numpy(given).permute(0, 3, 1, 2))[1].double().numpy()
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0)).numpy()
    parts = np.split(p[order], metric_networks.SPLITS)
    expected = np.mean([np.exp((part * np.log(part / part.mean(0))).sum(1).mean()) for part in parts])
    assert expected > 1.01
    before = torch.random.get_rng_state()
    assert found.totals()["is"] == pytest.approx(expected, rel=1e-4)
    assert torch.equal(before, torch.random.get_rng_state())
    statistic = found.statistics()["is"]
    assert statistic(np.arange(40)) == pytest.approx(expected, rel=1e-4)
    parts = [p[one[one >= 8]] for one in np.split(order, metric_networks.SPLITS)]
    expected = np.mean([np.exp((part * np.log(part / part.mean(0))).sum(1).mean()) for part in parts if len(part)])
    assert statistic(np.arange(8, 40)) == pytest.approx(expected, rel=1e-4)


def test_the_same_pictures_have_no_distance(planted):
    found = metric_networks.MetricNetworks(CPU)
    for picture in pictures(20):
        found.add(picture, reference(picture), {}, None)
    assert found.totals()["fid"] == pytest.approx(0, abs=1e-2)


@pytest.mark.parametrize("count, missing", [(1, {"fid", "is"}), (5, {"is"})])
def test_too_few_frames_say_so(planted, count, missing):
    found = metric_networks.MetricNetworks(CPU)
    for picture in pictures(count):
        found.add(picture, reference(picture), {}, None)
    totals = found.totals()
    assert {name for name, value in totals.items() if value is None} == missing
    assert all("fewer than" in found.reasons[name] for name in missing)
    assert set(found.statistics()) == {"fid", "is"} - missing


def test_many_frames_keep_no_features(planted, monkeypatch):
    monkeypatch.setattr(metric_networks, "MOST", 15)
    found = metric_networks.MetricNetworks(CPU)
    for picture in pictures(24):
        found.add(picture, reference(picture), {}, None)
    assert found.totals()["is"] is not None and found.statistics() == {} and len(found._features) == 1


def test_a_file_of_something_else_is_an_error_not_a_score(folder):
    (folder / pretrained.INCEPTION).write_bytes(b"not weights")
    with pytest.raises(InputError, match="not a file of trained weights"):
        metric_networks.MetricNetworks(CPU)
