"""Pre-trained features come from the file in weights/; without it there is an error."""

import pickle

import numpy as np
import pytest
import torch
from torchvision import models

from stages import InputError, pretrained
from stages.nets import vgg

MEAN, SPREAD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder of weights in which VGG-16 and VGG-19 may be any files."""
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    monkeypatch.setattr(pretrained, "table", lambda: dict.fromkeys(pretrained.VGG.values(), pretrained.WeightFile(licence="own")))
    return tmp_path


def test_weights_folder_is_read(folder):
    planted = models.vgg.make_layers(models.vgg.cfgs["E"])
    state = {f"features.{name}": tensor for name, tensor in planted.state_dict().items()}
    torch.save(state, folder / pretrained.VGG["vgg19"])
    network, pictures = vgg.Vgg("vgg19", 1), torch.rand(1, 3, 16, 16)
    normalised = (pictures - torch.tensor(MEAN)[:, None, None]) / torch.tensor(SPREAD)[:, None, None]
    assert torch.allclose(network(pictures)[0], planted[:2](normalised.float()), rtol=1e-5, atol=1e-6)
    assert not any(parameter.requires_grad for parameter in network.parameters())


def by_hand(picture: np.ndarray, convolutions: dict) -> list[np.ndarray]:
    """relu1_1 .. relu5_1 of VGG-16 for a picture (h, w, 3), by kernels (3, 3, in, out)."""
    x, found, i = (picture - MEAN) / SPREAD, [], 0
    for count in (2, 2, 3, 3, 3):
        for first in (j == 0 for j in range(count)):
            windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, ((1, 1), (1, 1), (0, 0))), (3, 3), (0, 1))
            layer = convolutions[f"Conv_{i}"]
            x = np.maximum(np.tensordot(windows, layer["kernel"], ([3, 4, 2], [0, 1, 2])) + layer["bias"], 0)
            found += [x] if first else []
            i += 1
        x = x.reshape(len(x) // 2, 2, x.shape[1] // 2, 2, -1).max((1, 3))
    return found


def test_trained_vgg16_against_its_layers_by_hand(trained):
    """As Simonyan and Zisserman's configuration D, with the arrays as the package has them."""
    picture = np.random.default_rng(0).random((32, 48, 3), np.float32)
    expected = by_hand(picture, pickle.loads(pretrained.packaged(pretrained.VGG["vgg16"]).read_bytes())["VGG16_0"])
    found = vgg.Vgg("vgg16", 5)(torch.from_numpy(picture).permute(2, 0, 1)[None])
    for own, other in zip(found, expected, strict=True):
        assert np.allclose(own[0].permute(1, 2, 0), other, rtol=1e-4, atol=1e-4 * other.max())


def test_vgg16_is_torchvisions(trained):
    """By the first kernel, as torchvision prints it."""
    kernel = next(vgg.Vgg("vgg16", 1).parameters())[0, 0]
    assert torch.allclose(kernel, torch.tensor(
        [[-0.5537, 0.1427, 0.5290], [-0.5831, 0.3566, 0.7657], [-0.6902, -0.0480, 0.4841]]), atol=5e-5)


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
def test_the_features_of_a_shallow_network_are_the_first_of_the_whole_one(depth):
    picture = torch.rand(1, 3, 32, 32)
    shallow, whole = (vgg.Vgg("random", n)(picture) for n in (depth, 5))
    assert len(shallow) == depth and all(torch.equal(own, other) for own, other in zip(shallow, whole))


@pytest.mark.parametrize("kind", ["vgg16", "vgg19"])
def test_missing_weights_are_an_error_that_says_what_to_do(folder, kind):
    with pytest.raises(InputError, match=f"features: {kind}: .*weights fetch {kind}.*features: random"):
        vgg.Vgg(kind, 1)


def test_vectors_and_patches_are_means_over_cells_of_the_deepest_features():
    deepest = torch.rand(2, 3, 16, 24)
    features = [torch.rand(2, 5, 32, 48), deepest]
    frames, patches = vgg.frame_vectors(features), vgg.patch_vectors(features)
    assert frames.shape == (2, 3 * 16) and patches.shape == (2, 64, 3)
    assert torch.allclose(frames.reshape(2, 3, 4, 4)[1, 2, 3, 1], deepest[1, 2, 12:16, 6:12].mean())
    assert torch.allclose(patches.reshape(2, 8, 8, 3)[1, 6, 5], deepest[1, :, 12:14, 15:18].mean((1, 2)))
