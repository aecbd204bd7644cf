"""Pre-trained features: the file in weights/ is what is used, and without it training stops."""

import pytest
import torch
from torchvision import models

from stages import InputError, weights
from stages.nets import vgg


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of weights in which VGG-19 may be any file."""
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    monkeypatch.setattr(weights, "table", lambda: {weights.VGG19: weights.File(licence="own")})
    return tmp_path


def test_weights_folder_is_read(folder):
    planted = models.vgg.make_layers(models.vgg.cfgs["E"])
    torch.save({f"features.{name}": tensor for name, tensor in planted.state_dict().items()}, folder / weights.VGG19)
    network, pictures = vgg.Vgg("vgg19", 1), torch.rand(1, 3, 16, 16)
    mean, spread = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    normalised = (pictures - mean[:, None, None]) / spread[:, None, None]
    assert torch.equal(network(pictures)[0], planted[:2](normalised))
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_missing_weights_stop_with_what_to_do(folder):
    with pytest.raises(InputError, match="vgg19.*weights fetch vgg19.*random"):
        vgg.Vgg("vgg19", 1)


def test_vectors_and_patches_are_means_over_cells_of_the_deepest_features():
    deepest = torch.rand(2, 3, 16, 24)
    features = [torch.rand(2, 5, 32, 48), deepest]
    frames, patches = vgg.vectors(features), vgg.patches(features)
    assert frames.shape == (2, 3 * 16) and patches.shape == (2, 64, 3)
    assert torch.allclose(frames.reshape(2, 3, 4, 4)[1, 2, 3, 1], deepest[1, 2, 12:16, 6:12].mean())
    assert torch.allclose(patches.reshape(2, 8, 8, 3)[1, 6, 5], deepest[1, :, 12:14, 15:18].mean((1, 2)))
