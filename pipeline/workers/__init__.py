"""Stages that run on another machine, as a Prefect flow there."""
