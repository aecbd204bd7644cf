"""The command line, and everything that runs the stages: order, caching, retries, other machines. This package uses DVC
and Prefect and contains no image processing.

dvc_backend/ runs DVC, orchestration/ contains the Prefect flows, workers/ runs stages on other machines, studio/ is the
web page, datasets/ edits params.yaml, paper_tables/ computes the tables of the paper."""

import os

# Prefect reads these when it is imported.
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")  # no usage statistics are sent
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", "30")  # seconds; automations.yaml relies on it
