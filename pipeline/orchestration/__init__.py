"""The Prefect side: flows, one task per stage, the flow that workers run, and cancellation."""
