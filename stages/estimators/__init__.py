"""Detectors, masks and poses of people: the protocols (person.py, pose_estimator.py) and one adapter per library."""
