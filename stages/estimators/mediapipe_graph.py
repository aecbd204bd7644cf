"""Runs MediaPipe graphs, one image at a time. The models are part of MediaPipe's wheel; nothing is downloaded.

MediaPipe's ready-made solutions find a single person. The graphs that they consist of (a detector of all people,
landmarks and mask of a given region) are used here directly.
"""

import os
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path

os.environ.setdefault("GLOG_minloglevel", "2")  # before the import: otherwise every graph logs its delegates
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
warnings.filterwarnings("ignore", r"SymbolDatabase", UserWarning)

import mediapipe  # noqa: E402
import numpy as np  # noqa: E402
from google.protobuf import text_format  # noqa: E402
from mediapipe.calculators.core.constant_side_packet_calculator_pb2 import (  # noqa: E402
    ConstantSidePacketCalculatorOptions,
)
from mediapipe.framework import calculator_pb2  # noqa: E402
from mediapipe.python import packet_creator, packet_getter  # noqa: E402
from mediapipe.python._framework_bindings import calculator_graph, resource_util, validated_graph_config  # noqa: E402

HOME = Path(mediapipe.__file__).parent

__all__ = ["Graph", "image_packet", "packet_creator", "packet_getter"]


class Graph:
    """A graph given as text. Called with one packet per input stream, it returns its output packets by stream name.

    files: paths of models that are not in the wheel, by the file name that the graph uses; side: side packets.
    """

    def __init__(self, text: str, outputs: tuple[str, ...], files: Mapping[str, Path] | None = None, **side):
        resource_util.set_resource_dir(str(HOME.parent))
        config = text_format.Parse(text, calculator_pb2.CalculatorGraphConfig())
        self._graph = (_with_model_files(config, files) if files
                       else calculator_graph.CalculatorGraph(graph_config=config))
        self._packets, self._timestamp = {}, 0
        for name in outputs:
            self._graph.observe_output_stream(name, self._packets.__setitem__, False)
        self._graph.start_run(side)

    def __call__(self, **packets) -> dict:
        self._packets.clear()
        self._timestamp += 1
        for name, packet in packets.items():
            self._graph.add_packet_to_input_stream(name, packet.at(self._timestamp))
        self._graph.wait_until_idle()
        return dict(self._packets)


def image_packet(rgb: np.ndarray):
    """An RGB image as a packet."""
    return packet_creator.create_image_frame(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(rgb))


def _with_model_files(config: calculator_pb2.CalculatorGraphConfig, files: Mapping[str, Path]):
    """Builds the graph with its subgraphs expanded, and replaces model paths whose file name is in `files`."""
    expanded = validated_graph_config.ValidatedGraphConfig()
    expanded.initialize(graph_config=config)
    config = calculator_pb2.CalculatorGraphConfig.FromString(expanded.binary_config)
    for node in config.node:
        for packet in node.options.Extensions[ConstantSidePacketCalculatorOptions.ext].packet:
            if model := files.get(Path(packet.string_value).name):
                packet.string_value = str(model.resolve())
    with tempfile.NamedTemporaryFile() as file:  # passed as an object, options unknown to Python are lost
        file.write(config.SerializeToString())
        file.flush()
        return calculator_graph.CalculatorGraph(binary_graph_path=file.name)
