"""Stages that run on another machine: finding a worker, comparing code and parameters, and moving files."""
