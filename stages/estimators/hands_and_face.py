"""MediaPipe's networks for hands and face, applied to a body whose pose is known.

Hands: BlazePose's landmarks in, 21 landmarks of each hand out. Face: the face mesh with attention, on an enlarged crop
of the head. Compared with MediaPipe's own face detector, it also finds small and dark faces, and its points are more
accurate. If no mesh is found, the face counts as not visible.
"""

import cv2
import numpy as np
from mediapipe.framework.formats import rect_pb2

from stages.estimators.mediapipe_graph import Graph, image_packet, packet_creator, packet_getter

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
# each is the mean of these mesh points
_MESH_POINTS = ((33, 133, 159, 145), (263, 362, 386, 374), (291,), (61,), (1,), (234,), (454,))
_CROP = 0.5                  # side of the crop, body heights; larger than the head, so that the mesh may extend
_CROP_PIXELS = 384           # side of the enlarged crop
_REGION_SIZES = (0.2, 0.17)  # sides of the face regions that are tried in turn, body heights
FACE_OFFSET = 0.02           # of the face's centre below the centre of eyes and ears, body heights


class FaceMesh:
    def __init__(self):
        self._graph = Graph(_MESH_GRAPH, ("landmarks",), attention=packet_creator.create_bool(True))

    def head(self, rgb: np.ndarray, centre: np.ndarray, height: float) -> np.ndarray | None:
        """Right eye, left eye, left and right mouth corner, nose, right and left ear, (7, 2) in pixels; None if no face
        is found.

        centre: of the head, pixels; height: of the body, pixels.
        """
        corner, scale = centre - _CROP * height / 2, _CROP_PIXELS / (_CROP * height)
        matrix = np.column_stack([np.eye(2) * scale, (0.5 - corner) * scale - 0.5])
        crop = cv2.warpAffine(rgb, matrix, (_CROP_PIXELS, _CROP_PIXELS), flags=cv2.INTER_CUBIC,
                              borderMode=cv2.BORDER_REPLICATE)
        for size in _REGION_SIZES:
            region = rect_pb2.NormalizedRect(x_center=0.5, y_center=0.5, width=size / _CROP, height=size / _CROP)
            found = self._graph(image=image_packet(crop), region=packet_creator.create_proto(region)).get("landmarks")
            if found:
                mesh = packet_getter.get_proto(found).landmark
                points = [np.mean([(mesh[i].x, mesh[i].y) for i in group], axis=0) for group in _MESH_POINTS]
                return np.array(points) * _CROP_PIXELS / scale + corner
        return None

    def face(self, rgb: np.ndarray, centre: np.ndarray, height: float) -> np.ndarray | None:
        """The five face points (5, 2) of `head`, without the ears."""
        head = self.head(rgb, centre, height)
        return None if head is None else head[:5]
