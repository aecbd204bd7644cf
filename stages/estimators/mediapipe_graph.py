"""MediaPipe's graphs, run one picture at a time. The models lie in its wheel; nothing is downloaded.

Its ready-made solutions give one person; the parts they are built of (a detector of all people, landmarks and
mask of a given region) are graphs of a few lines.
"""

import os
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path

os.environ.setdefault("GLOG_minloglevel", "2")  # before the import: else every graph reports its delegates
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

create, read = packet_creator, packet_getter


class Graph:
    """A graph given as text; calling it with packets by stream name gives its output packets by name. `files`: by
    the names of models that the wheel lacks, from where the graph reads them."""

    def __init__(self, text: str, outputs: tuple[str, ...], files: Mapping[str, Path] | None = None, **side):
        resource_util.set_resource_dir(str(HOME.parent))
        config = text_format.Parse(text, calculator_pb2.CalculatorGraphConfig())
        self._graph = _with_model_files(config, files) if files else calculator_graph.CalculatorGraph(graph_config=config)
        self._packets, self._tick = {}, 0
        for name in outputs:
            self._graph.observe_output_stream(name, self._packets.__setitem__, False)
        self._graph.start_run(side)

    def __call__(self, **packets) -> dict:
        self._packets.clear()
        self._tick += 1
        for name, packet in packets.items():
            self._graph.add_packet_to_input_stream(name, packet.at(self._tick))
        self._graph.wait_until_idle()
        return dict(self._packets)


def image_packet(rgb: np.ndarray):
    """An RGB picture as a packet."""
    return create.create_image_frame(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(rgb))


def _with_model_files(config: calculator_pb2.CalculatorGraphConfig, files: Mapping[str, Path]):
    """The graph with its subgraphs written out, in which paths that end with these names are these files'."""
    whole = validated_graph_config.ValidatedGraphConfig()
    whole.initialize(graph_config=config)
    config = calculator_pb2.CalculatorGraphConfig.FromString(whole.binary_config)
    for node in config.node:
        for packet in node.options.Extensions[ConstantSidePacketCalculatorOptions.ext].packet:
            if file := files.get(Path(packet.string_value).name):
                packet.string_value = str(file.resolve())
    with tempfile.NamedTemporaryFile() as written:  # as an object it would lose the options that Python does not know
        written.write(config.SerializeToString())
        written.flush()
        return calculator_graph.CalculatorGraph(binary_graph_path=written.name)
