"""Scenes with known people, and checks that every adapter must pass when its network outputs them.

The test of an adapter provides `plant(scenes)`: it makes the network output these scenes when it is next called with
their images, in its own representation (boxes, heat maps or anchors at its own resolution).
"""

from dataclasses import dataclass

import numpy as np

from stages.estimators import instances
from stages.pose import skeleton
from stages.tracking.boxes import Person

RED = (250, 20, 10)
SCORES = (0.95, 0.9, 0.85)  # first person, second person, dog
HIDDEN = 9                  # the keypoint that is not visible: the left wrist


@dataclass(frozen=True)
class Scene:
    """Two people who overlap, and a dog whose box is nearly the first person's."""

    height: int
    width: int
    seed: int

    @property
    def picture(self) -> np.ndarray:
        return np.full((self.height, self.width, 3), RED, np.uint8)

    @property
    def boxes(self) -> np.ndarray:
        """(3, 4): people, dog."""
        shares = np.array([(0.08, 0.1, 0.5, 0.93), (0.4, 0.2, 0.86, 0.9), (0.07, 0.09, 0.51, 0.94)])
        return shares * ((self.width, self.height) * 2)

    @property
    def keypoints(self) -> np.ndarray:
        """(2, 17, 2), at random positions in the boxes."""
        low, high = self.boxes[:2, None, :2], self.boxes[:2, None, 2:]
        return low + (high - low) * np.random.default_rng(self.seed).uniform(0.08, 0.92, (2, 17, 2))

    def inside(self, who: int, places: np.ndarray) -> np.ndarray:
        """Whether points (..., 2) belong to a person: an ellipse towards the left and the top of the box."""
        low, high = self.boxes[who, :2], self.boxes[who, 2:]
        return ((((places - low) / (high - low) - (0.45, 0.4)) / (0.4, 0.35)) ** 2).sum(-1) < 1

    def mask(self, who: int) -> np.ndarray:
        rows, columns = np.mgrid[:self.height, :self.width]
        return self.inside(who, np.stack([columns, rows], -1) + 0.5)

    def rough_position(self, who: int) -> Person:
        return Person(tuple(self.boxes[who] + (3, -2, 2, 3)))


WIDE, TALL = Scene(97, 150, 1), Scene(130, 88, 2)
SCENES = (WIDE, TALL)
AWAY = Person((500.0, 500.0, 540.0, 600.0))


def heat(scene: Scene, who: int, side: int) -> np.ndarray:
    """Output of Keypoint R-CNN: logits (17, side, side) over the box; almost flat for the hidden keypoint."""
    low, high = scene.boxes[who, :2], scene.boxes[who, 2:]
    places = (scene.keypoints[who] - low) / (high - low) * side                    # (17, 2) in cells
    rows, columns = np.mgrid[:side, :side] + 0.5
    distance = np.hypot(columns - places[:, :1, None], rows - places[:, 1:, None])    # (17, side, side)
    logits = -distance**2
    logits[HIDDEN] /= 1e4
    return logits.astype(np.float32)


def cells(scene: Scene, who: int, side: int) -> np.ndarray:
    """Output of Mask R-CNN: logits (side, side) over the box."""
    fine = (np.arange(8 * side) + 0.5) / (8 * side)
    low, high = scene.boxes[who, :2], scene.boxes[who, 2:]
    places = low + np.stack(np.meshgrid(fine, fine), -1) * (high - low)            # (8 side, 8 side, 2)
    coverage = scene.inside(who, places).reshape(side, 8, side, 8).mean((1, 3)).clip(0.01, 0.99)
    return np.log(coverage / (1 - coverage)).astype(np.float32)


def check_people(detector, plant) -> None:
    plant(SCENES)
    for scene, people in zip(SCENES, detector.detect([scene.picture for scene in SCENES]), strict=True):
        assert [round(person.score, 2) for person in people] == list(SCORES[:2])
        np.testing.assert_allclose([person.box for person in people], scene.boxes[:2], atol=0.6)


def check_masks(segmenter, plant) -> None:
    """Masks are those of the given person, None if that person is absent; images without a person are not run through
    the network."""
    for who in (0, 1):
        plant(SCENES)
        masks = segmenter.masks([scene.picture for scene in SCENES], [scene.rough_position(who) for scene in SCENES])
        for scene, mask in zip(SCENES, masks, strict=True):
            true = scene.mask(who)
            assert mask.dtype == np.float32 and mask.shape == true.shape and 0 <= mask.min() and mask.max() <= 1
            assert ((mask > 0.5) & true).sum() / ((mask > 0.5) | true).sum() > 0.95
            assert np.abs(mask - true).mean() < 0.03
    plant([TALL])
    masks = segmenter.masks([WIDE.picture, TALL.picture, WIDE.picture], [None, TALL.rough_position(1), None])
    assert masks[0] is None and masks[2] is None and masks[1].shape == (TALL.height, TALL.width)
    plant([WIDE])
    assert segmenter.masks([WIDE.picture], [AWAY]) == [None]


def check_poses(estimator, plant, names: list[str]) -> None:
    """Every joint is at its true position. names: the library's names of its keypoints."""
    joint = {name: names.index(name.lower().replace("l_", "left_").replace("r_", "right_")) for name in (
        "NOSE", "R_SHOULDER", "R_ELBOW", "R_WRIST", "L_SHOULDER", "L_ELBOW", "L_WRIST", "R_HIP", "R_KNEE", "R_ANKLE",
        "L_HIP", "L_KNEE", "L_ANKLE", "R_EYE", "L_EYE", "R_EAR", "L_EAR")}
    assert not estimator.provides_silhouettes
    for who in (0, 1):
        plant(SCENES)
        people = [scene.rough_position(who) for scene in SCENES]
        detections = estimator.estimate([scene.picture for scene in SCENES], people)
        for scene, detection in zip(SCENES, detections, strict=True):
            body, true = detection.pose.body, scene.keypoints[who]
            for name, keypoint in joint.items():
                point = body[getattr(skeleton, name)]
                if keypoint == HIDDEN:
                    assert point[2] < 0.1
                else:
                    np.testing.assert_allclose(point[:2], true[keypoint], atol=1.2, err_msg=name)
                    assert point[2] > 0.9
            shoulders = true[[joint["R_SHOULDER"], joint["L_SHOULDER"]]]
            np.testing.assert_allclose(body[skeleton.NECK, :2], shoulders.mean(0), atol=1.2)
    plant([TALL])
    detections = estimator.estimate([WIDE.picture, TALL.picture], [None, TALL.rough_position(0)])
    assert detections[0] is None and detections[1] is not None
    plant([WIDE])
    assert estimator.estimate([WIDE.picture], [AWAY]) == [None]


def check_one_by_one(estimator, plant) -> None:
    """A batch gives the same results as its images one by one."""
    scenes = [WIDE, WIDE]
    plant(scenes)
    given = [WIDE.rough_position(0), WIDE.rough_position(1)]
    together = estimator.estimate([scene.picture for scene in scenes], given)
    for scene, person, detection in zip(scenes, given, together, strict=True):
        plant([scene])
        alone = estimator.estimate([scene.picture], [person])[0]
        np.testing.assert_allclose(alone.pose.body, detection.pose.body, atol=1e-3)


def use(monkeypatch, module, networks: dict) -> None:
    """Makes the adapter's classes use these networks (by task) instead of loading weights."""
    made = instances.adapter_classes(lambda task, model, device: networks[task])
    for name, estimator in zip(("Detector", "Segmenter", "PoseEstimator"), made):
        monkeypatch.setattr(module, name, estimator)
