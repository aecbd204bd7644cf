"""The generators to choose from, by the names that params.yaml has for them."""

from dataclasses import fields

from torch import nn

from stages.nets.generator import Generator, GeneratorShape
from stages.nets.pix2pixhd import GlobalGenerator, GlobalShape

KINDS = {"fakemotion": (Generator, GeneratorShape), "pix2pixhd": (GlobalGenerator, GlobalShape)}


def build(architecture: str, numbers: dict) -> nn.Module:
    """An untrained generator; `numbers`: width, levels, blocks, stem, dense and inputs, of which it takes its own."""
    network, shape = KINDS[architecture]
    return network(shape(**{field.name: numbers[field.name] for field in fields(shape)}))
