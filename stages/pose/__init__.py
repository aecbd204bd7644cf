"""Poses over time: the skeleton, its parts, smoothing and normalisation. Arrays in, arrays out."""
