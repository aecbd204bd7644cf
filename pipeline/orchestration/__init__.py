"""Prefect: the flows, one task per stage, the flow that workers run, and cancellation."""
