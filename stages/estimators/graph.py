"""MediaPipe's graphs, run one picture at a time. The models lie in its wheel; nothing is downloaded.

Its ready-made solutions give one person; the parts they are built of (a detector of all people, landmarks and
mask of a given region) are graphs of a few lines.
"""

import os
import warnings
from pathlib import Path

os.environ.setdefault("GLOG_minloglevel", "2")  # before the import: else every graph reports its delegates
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
warnings.filterwarnings("ignore", r"SymbolDatabase", UserWarning)

import mediapipe  # noqa: E402
import numpy as np  # noqa: E402
from google.protobuf import text_format  # noqa: E402
from mediapipe.framework import calculator_pb2  # noqa: E402
from mediapipe.python import packet_creator, packet_getter  # noqa: E402
from mediapipe.python._framework_bindings import calculator_graph, resource_util  # noqa: E402

from stages import InputError  # noqa: E402

HOME = Path(mediapipe.__file__).parent
MODELS = ("lite", "full", "heavy")

create, read = packet_creator, packet_getter


class Graph:
    """A graph given as text; calling it with packets by stream name gives its output packets by name."""

    def __init__(self, text: str, outputs: tuple[str, ...], **side):
        resource_util.set_resource_dir(str(HOME.parent))
        config = text_format.Parse(text, calculator_pb2.CalculatorGraphConfig())
        self._graph = calculator_graph.CalculatorGraph(graph_config=config)
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


def picture(rgb: np.ndarray):
    """An RGB picture as a packet."""
    return create.create_image_frame(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(rgb))


def complexity(model: str) -> int:
    """MediaPipe's number of a pose model; InputError where there is no such model on this machine."""
    if model not in MODELS:
        raise InputError(f"params.yaml: MediaPipe has no pose model {model}; expected one of {', '.join(MODELS)}")
    file = HOME / f"modules/pose_landmark/pose_landmark_{model}.tflite"
    if not file.exists():
        raise InputError(f"params.yaml: MediaPipe's model {model} needs {file}, which its package does not carry; "
                         "set model: full, or put the file there")
    return MODELS.index(model)
