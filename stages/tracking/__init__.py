"""Tracks people through a video by their bounding boxes and the colours of their clothes."""
