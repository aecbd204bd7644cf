"""Pictures with known people, to plant as a network's answer, and what an adapter must then make of them.

An adapter's test gives `plant(scenes)`, which has the network answer with these scenes when it is next called with
their pictures, in its own terms: boxes, heat maps or anchors at its own size.
"""

from dataclasses import dataclass

import numpy as np

from stages.estimators import instances
from stages.pose import skeleton
from stages.tracking.boxes import Person

RED = (250, 20, 10)
SCORES = (0.95, 0.9, 0.85)  # first person, second person, dog
HIDDEN = 9                  # the keypoint nobody sees: the left wrist


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
        """(2, 17, 2), anywhere in the boxes."""
        low, high = self.boxes[:2, None, :2], self.boxes[:2, None, 2:]
        return low + (high - low) * np.random.default_rng(self.seed).uniform(0.08, 0.92, (2, 17, 2))

    def inside(self, who: int, places: np.ndarray) -> np.ndarray:
        """Whether places (..., 2) belong to somebody: an ellipse towards the left and the top of their box."""
        low, high = self.boxes[who, :2], self.boxes[who, 2:]
        return ((((places - low) / (high - low) - (0.45, 0.4)) / (0.4, 0.35)) ** 2).sum(-1) < 1

    def mask(self, who: int) -> np.ndarray:
        rows, columns = np.mgrid[:self.height, :self.width]
        return self.inside(who, np.stack([columns, rows], -1) + 0.5)

    def told(self, who: int) -> Person:
        """Roughly where somebody is."""
        return Person(tuple(self.boxes[who] + (3, -2, 2, 3)))


WIDE, TALL = Scene(97, 150, 1), Scene(130, 88, 2)
SCENES = (WIDE, TALL)
AWAY = Person((500.0, 500.0, 540.0, 600.0))


def heat(scene: Scene, who: int, side: int) -> np.ndarray:
    """Keypoint R-CNN's answer: logits (17, side, side) over the box; what is hidden could be anywhere."""
    low, high = scene.boxes[who, :2], scene.boxes[who, 2:]
    places = (scene.keypoints[who] - low) / (high - low) * side                    # (17, 2) in cells
    rows, columns = np.mgrid[:side, :side] + 0.5
    apart = np.hypot(columns - places[:, :1, None], rows - places[:, 1:, None])    # (17, side, side)
    logits = -apart**2
    logits[HIDDEN] /= 1e4
    return logits.astype(np.float32)


def cells(scene: Scene, who: int, side: int) -> np.ndarray:
    """Mask R-CNN's answer: logits (side, side) over the box."""
    fine = (np.arange(8 * side) + 0.5) / (8 * side)
    low, high = scene.boxes[who, :2], scene.boxes[who, 2:]
    places = low + np.stack(np.meshgrid(fine, fine), -1) * (high - low)            # (8 side, 8 side, 2)
    share = scene.inside(who, places).reshape(side, 8, side, 8).mean((1, 3)).clip(0.01, 0.99)
    return np.log(share / (1 - share)).astype(np.float32)


def check_people(detector, plant) -> None:
    plant(SCENES)
    for scene, people in zip(SCENES, detector.detect([scene.picture for scene in SCENES]), strict=True):
        assert [round(person.score, 2) for person in people] == list(SCORES[:2])
        np.testing.assert_allclose([person.box for person in people], scene.boxes[:2], atol=0.6)


def check_masks(segmenter, plant) -> None:
    """Of the person told, not of who else is there; nothing of somebody who is away; the network sees no picture
    where nobody is."""
    for who in (0, 1):
        plant(SCENES)
        masks = segmenter.masks([scene.picture for scene in SCENES], [scene.told(who) for scene in SCENES])
        for scene, mask in zip(SCENES, masks, strict=True):
            true = scene.mask(who)
            assert mask.dtype == np.float32 and mask.shape == true.shape and 0 <= mask.min() and mask.max() <= 1
            assert ((mask > 0.5) & true).sum() / ((mask > 0.5) | true).sum() > 0.95
            assert np.abs(mask - true).mean() < 0.03
    plant([TALL])
    masks = segmenter.masks([WIDE.picture, TALL.picture, WIDE.picture], [None, TALL.told(1), None])
    assert masks[0] is None and masks[2] is None and masks[1].shape == (TALL.height, TALL.width)
    plant([WIDE])
    assert segmenter.masks([WIDE.picture], [AWAY]) == [None]


def check_poses(estimator, plant, names: list[str]) -> None:
    """Every joint at its place, by the library's own names of its keypoints."""
    joint = {name: names.index(name.lower().replace("l_", "left_").replace("r_", "right_")) for name in (
        "NOSE", "R_SHOULDER", "R_ELBOW", "R_WRIST", "L_SHOULDER", "L_ELBOW", "L_WRIST", "R_HIP", "R_KNEE", "R_ANKLE",
        "L_HIP", "L_KNEE", "L_ANKLE", "R_EYE", "L_EYE", "R_EAR", "L_EAR")}
    assert not estimator.provides_silhouettes
    for who in (0, 1):
        plant(SCENES)
        sightings = estimator.estimate([scene.picture for scene in SCENES], [scene.told(who) for scene in SCENES])
        for scene, sighting in zip(SCENES, sightings, strict=True):
            body, true = sighting.pose.body, scene.keypoints[who]
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
    sightings = estimator.estimate([WIDE.picture, TALL.picture], [None, TALL.told(0)])
    assert sightings[0] is None and sightings[1] is not None
    plant([WIDE])
    assert estimator.estimate([WIDE.picture], [AWAY]) == [None]


def check_one_by_one(estimator, plant) -> None:
    """A batch gives what its pictures give one by one."""
    scenes = [WIDE, WIDE]
    plant(scenes)
    told = [WIDE.told(0), WIDE.told(1)]
    together = estimator.estimate([scene.picture for scene in scenes], told)
    for scene, person, sighting in zip(scenes, told, together, strict=True):
        plant([scene])
        alone = estimator.estimate([scene.picture], [person])[0]
        np.testing.assert_allclose(alone.pose.body, sighting.pose.body, atol=1e-3)


def use(monkeypatch, module, networks: dict) -> None:
    """The adapter's estimators run these networks, by task, instead of loading some."""
    made = instances.adapter_classes(lambda task, model, device: networks[task])
    for name, estimator in zip(("Detector", "Segmenter", "PoseEstimator"), made):
        monkeypatch.setattr(module, name, estimator)
