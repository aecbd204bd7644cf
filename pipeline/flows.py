"""The flows: a motion copied, or any one stage, with all that it needs, in order, side by side where it can be."""

from prefect import flow

from pipeline import artifacts, graph
from pipeline.tasks import TASKS
from stages import params


@flow(name="copy_motion", flow_run_name="{target} from {source}")
def copy_motion(target: str, source: str | list[str], key: str | None = None, retries: int = 0) -> list[str]:
    """The person `target` moves like `source` (one or several videos); source == target reconstructs the
    held-out part. `key` names the transfer where params.yaml has several. Gives the transfers' keys."""
    config = params.load()
    sources = [source] if isinstance(source, str) else source
    keys = [graph.transfer(config, target, one, key) for one in sources]
    submit(graph.plan(config, [f"report@{name}" for name in keys]), retries)
    for name in keys:
        print(artifacts.summary(name), flush=True)
    return keys


@flow(name="stage", flow_run_name="{address}")
def stage(address: str, retries: int = 0) -> None:
    """One stage, such as generator_training@ava, after whatever it needs that is not up to date."""
    submit(graph.plan(params.load(), [address]), retries)


def submit(plan: dict[str, list[str]], retries: int = 0) -> None:
    """Runs a plan, each address as soon as those it waits for are done; raises the first failure."""
    futures = {}
    for address, needs in plan.items():
        task = TASKS[graph.split(address)[0]].with_options(retries=retries)
        futures[address] = task.submit(address, wait_for=[futures[needed] for needed in needs])
    for future in futures.values():
        future.wait()
    for future in futures.values():
        if future.state.is_failed() or future.state.is_crashed():
            future.result()  # raises what the task raised
