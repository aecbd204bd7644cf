"""The five face points, and the ears, of a head whose place the body's pose tells: the protocol, and who speaks it.

MediaPipe's face mesh with attention, on an enlarged crop of the head: small and dark faces, that its own face detector
passes over, are found, and the points lie nearer to the truth. It is also what tells whether a face can be seen.
"""

import cv2
import numpy as np
from mediapipe.framework.formats import rect_pb2

from stages.estimators import mediapipe_graph

HAND_GRAPH = """
input_stream: "image"
input_stream: "body"
output_stream: "left_hand"
output_stream: "right_hand"
node {
  calculator: "HandLandmarksLeftAndRightCpu"
  input_stream: "IMAGE:image" input_stream: "POSE_LANDMARKS:body"
  output_stream: "LEFT_HAND_LANDMARKS:left_hand" output_stream: "RIGHT_HAND_LANDMARKS:right_hand"
}
"""
_MESH_GRAPH = """
input_stream: "image"
input_stream: "region"
input_side_packet: "attention"
output_stream: "landmarks"
node {
  calculator: "FaceLandmarkCpu"
  input_side_packet: "WITH_ATTENTION:attention"
  input_stream: "IMAGE:image" input_stream: "ROI:region"
  output_stream: "LANDMARKS:landmarks"
}
"""
# Right eye, left eye (corners and lids), left mouth corner, right mouth corner, nose, right ear, left ear (tragion):
# the mean of these mesh points
_MESH_POINTS = ((33, 133, 159, 145), (263, 362, 386, 374), (291,), (61,), (1,), (234,), (454,))
_CROP = 0.5          # side of the crop, in body heights: more than the head, so that the mesh may reach out
_CROP_PIXELS = 384          # pixels of the enlarged crop
_REGION_SIZES = (0.2, 0.17)  # of the height: the region tried first, and the next


FACE_OFFSET = 0.02           # of the height: the face's middle lies below the middle of eyes and ears


class FaceMesh:
    def __init__(self):
        self._graph = mediapipe_graph.Graph(_MESH_GRAPH, ("landmarks",), attention=mediapipe_graph.create.create_bool(True))

    def head(self, rgb: np.ndarray, centre: np.ndarray, height: float) -> np.ndarray | None:
        """Five points and the ears (7, 2) in pixels of the picture, or None where no face is seen.

        centre, height: the middle of the head and the height of the body, in pixels"""
        corner, scale = centre - _CROP * height / 2, _CROP_PIXELS / (_CROP * height)
        matrix = np.column_stack([np.eye(2) * scale, (0.5 - corner) * scale - 0.5])
        crop = cv2.warpAffine(rgb, matrix, (_CROP_PIXELS, _CROP_PIXELS), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        for face in _REGION_SIZES:
            region = rect_pb2.NormalizedRect(x_center=0.5, y_center=0.5, width=face / _CROP, height=face / _CROP)
            found = self._graph(image=mediapipe_graph.image_packet(crop), region=mediapipe_graph.create.create_proto(region)).get("landmarks")
            if found:
                mesh = mediapipe_graph.read.get_proto(found).landmark
                places = [np.mean([(mesh[i].x, mesh[i].y) for i in some], axis=0) for some in _MESH_POINTS]
                return np.array(places) * _CROP_PIXELS / scale + corner
        return None

    def __call__(self, rgb: np.ndarray, centre: np.ndarray, height: float) -> np.ndarray | None:
        """The five points alone (5, 2), likewise."""
        head = self.head(rgb, centre, height)
        return None if head is None else head[:5]
