"""Order, place, retries and the view. Imports Prefect, runs DVC, holds no science."""

import os

# Read when Prefect is imported.
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")  # nothing phones home
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", "30")  # seconds: automations.yaml counts on it
