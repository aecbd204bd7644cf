"""Adds people and clips of data sets, and variants of presets, to params.yaml."""
