"""Writes entries of params.yaml: people and clips of data sets, and variants of presets."""
