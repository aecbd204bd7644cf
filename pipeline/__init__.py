"""The order of the stages: what runs when, where and how often. This package runs DVC and Prefect and contains no
science.

dvc_backend/ runs DVC, orchestration/ has the Prefect flows, workers/ gives stages to other machines, studio/ is the web
page, datasets/ edits params.yaml, paper_tables/ computes the tables of the paper."""

import os

# Prefect reads these when it is imported.
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")  # no usage statistics are sent
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", "30")  # seconds; automations.yaml relies on it
