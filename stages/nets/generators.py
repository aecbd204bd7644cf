"""Builds a generator from its name, the parameter `architecture`."""

from dataclasses import fields

from torch import nn

from stages.nets.atlas import AtlasGenerator, AtlasShape
from stages.nets.generator import Generator, GeneratorShape
from stages.nets.pix2pixhd import GlobalGenerator, GlobalShape

ARCHITECTURES = {
    "limb_atlas": (AtlasGenerator, AtlasShape),
    "fakemotion": (Generator, GeneratorShape),
    "pix2pixhd": (GlobalGenerator, GlobalShape),
}


def build_generator(architecture: str, sizes: dict) -> nn.Module:
    """An untrained generator. sizes: values for all fields of GeneratorShape; those that the architecture does not have
    are ignored."""
    network, shape = ARCHITECTURES[architecture]
    return network(shape(**{field.name: sizes[field.name] for field in fields(shape)}))
