"""Face enhancement with the index of real faces (paper section 2.3): retrieves the real faces that are most similar to
a generated face, and blends them into it (Eq. 9).

The parameter `faces` selects the similarity. `vectors`: similarity of the face vectors (Eq. 8). `features`: cosine
similarity of VGG features of the inner faces, the baseline `Image feature` of Table 2. `none`: no enhancement.
"""

import numpy as np
import torch

from stages.face import face_vectors
from stages.face.face_enhancement import enhance, inner_face
from stages.face.face_index import FaceIndex

SIDE = 32   # pixels, side of the faces that are compared by VGG features
BLOCKS = 3  # number of VGG blocks for these features


class FaceEnhancer:
    """Enhances faces with the real faces of one person. params: the values of faces, face_vectors, candidates, alpha,
    beta and features in the preset's block local_gan_training."""

    def __init__(self, index: FaceIndex, params: dict):
        self.index, self.params = index, params
        if params["faces"] == "features" and len(index):
            from stages.nets import vgg  # imported here as torchvision takes seconds to load

            self.network, self.pool = vgg.Vgg(params["features"], BLOCKS), vgg.frame_vectors
            self.features = np.concatenate([
                self.face_features(index.crop(i) / np.float32(255), self.points_in_crop(i))[None]
                for i in range(len(index))])  # (N, d)

    def enhance(self, face: np.ndarray, corner: np.ndarray, points: np.ndarray, rows: np.ndarray | None = None
                ) -> np.ndarray:
        """Applies Eq. 9 to a generated crop (c, c, 4): RGB times alpha, and alpha, in [0, 1].

        corner: x and y of the crop's top left pixel in the frame. points: the five points of the driving face (5, 3),
        in pixels of the frame. rows: the rows of the index that may be used, by default all. Returns the crop unchanged
        if a point is unknown or no real face is available."""
        rows = np.arange(len(self.index)) if rows is None else rows
        if self.params["faces"] == "none" or len(rows) == 0 or not (points[:, 2] > 0).all():
            return face
        places, count = points[:, :2].astype(np.float64), min(self.params["candidates"], len(rows))
        if self.params["faces"] == "features":
            similarities = self.features[rows] @ self.face_features(face[..., :3], places - corner)
            nearest = np.argsort(-similarities, kind="stable")[:count]
            similarity = similarities[nearest]
        else:
            query = face_vectors.vectors(places)
            nearest, similarity = face_vectors.most_similar(
                self.index.vectors[rows], query, count, self.params["face_vectors"])
        box = np.concatenate([corner, corner + face.shape[0]])
        alpha, beta = self.params["alpha"], self.params["beta"]
        return enhance(face, box, places, self.index, rows[nearest], similarity, alpha, beta)

    def points_in_crop(self, i: int) -> np.ndarray:
        """The five points (5, 2) of face number i in the index, in pixels of its crop."""
        left, top, right, _ = self.index.boxes[i]
        return (self.index.points[i] - (left, top)) / (right - left) * self.index.crop(i).shape[0]

    @torch.no_grad()
    def face_features(self, image: np.ndarray, points: np.ndarray) -> np.ndarray:
        """VGG features (d,), normalised to length 1, of the face with these points in an image (h, w, 3) in [0, 1]."""
        face = torch.from_numpy(inner_face(image, points, SIDE)).permute(2, 0, 1)[None].float()  # (1, 3, SIDE, SIDE)
        features = self.pool(self.network(face))[0].numpy()
        return features / np.maximum(np.linalg.norm(features), 1e-12)
