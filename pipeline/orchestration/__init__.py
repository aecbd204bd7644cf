"""Prefect: flows, one task per stage, cancellation, and what its UI shows."""
