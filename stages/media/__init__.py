"""Reads and writes files: video, images, Parquet tables, and the user's footage."""
