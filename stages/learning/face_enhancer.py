"""Face enhancement in use (paper section 2.3): real faces that look the same way are found and blended in (Eq. 9).

`vectors` finds them by the face vectors (Eq. 8). `features` finds them by how alike the inner faces look to a VGG,
by the cosine of its pooled features: what the paper argues against. `none` leaves the generated face alone.
"""

import numpy as np
import torch

from stages.face import face_vectors
from stages.face.face_enhancement import enhance, inner_face
from stages.face.face_index import FaceIndex

SIDE = 32  # pixels, at which faces are compared by features
DEPTH = 3  # VGG blocks


class Faces:
    """The real faces of one person, and how they are searched: `params` says faces, face_vectors, candidates, alpha,
    beta and features."""

    def __init__(self, index: FaceIndex, params: dict):
        self.index, self.params = index, params
        if params["faces"] == "features" and len(index):
            from stages.nets import vgg  # here: torchvision takes seconds to load

            self.network, self.pooled = vgg.Vgg(params["features"], DEPTH), vgg.vectors
            self.features = np.concatenate([self.look(index.crop(i) / np.float32(255), self.inside(i))[None]
                                            for i in range(len(index))])  # (N, d)

    def enhance(self, face: np.ndarray, corner: np.ndarray, points: np.ndarray, rows: np.ndarray | None = None
                ) -> np.ndarray:
        """Eq. 9 on a window (c, c, 4) at `corner`, with the driving face's points (5, 3); of the index only `rows`, if
        given. A face with an unknown point, or without a real one, comes back unchanged."""
        rows = np.arange(len(self.index)) if rows is None else rows
        if self.params["faces"] == "none" or len(rows) == 0 or not (points[:, 2] > 0).all():
            return face
        places, count = points[:, :2].astype(np.float64), min(self.params["candidates"], len(rows))
        if self.params["faces"] == "features":
            alike = self.features[rows] @ self.look(face[..., :3], places - corner)
            nearest = np.argsort(-alike, kind="stable")[:count]
            similarity = alike[nearest]
        else:
            query = face_vectors.vectors(places)
            nearest, similarity = face_vectors.most_similar(
                self.index.vectors[rows], query, count, self.params["face_vectors"])
        box = np.concatenate([corner, corner + face.shape[0]])
        alpha, beta = self.params["alpha"], self.params["beta"]
        return enhance(face, box, places, self.index, rows[nearest], similarity, alpha, beta)

    def inside(self, i: int) -> np.ndarray:
        """The points of face i in pixels of its crop."""
        left, top, right, _ = self.index.boxes[i]
        return (self.index.points[i] - (left, top)) / (right - left) * self.index.crop(i).shape[0]

    @torch.no_grad()
    def look(self, picture: np.ndarray, points: np.ndarray) -> np.ndarray:
        """The features (d,), of norm 1, of a face in a picture (h, w, 3) in [0, 1]."""
        face = torch.from_numpy(inner_face(picture, points, SIDE)).permute(2, 0, 1)[None].float()  # (1, 3, SIDE, SIDE)
        features = self.pooled(self.network(face))[0].numpy()
        return features / np.maximum(np.linalg.norm(features), 1e-12)
