"""Prefect's server is killed while a stage runs, or is not there."""

import asyncio
import shutil

from prefect.client.orchestration import PrefectClient
from tests.server import Command, kill, serving

GOAL, PLAN = ("stage", "pose_extraction@ava"), ["samples", "frames", "pose_extraction"]


def states(url: str) -> list[str]:
    async def read():
        async with PrefectClient(url) as client:
            return [run.state.name for run in await client.read_flow_runs()]
    return asyncio.run(read())


def test_stages_continue_while_the_server_is_down(project, database, tmp_path):
    project.stale(*PLAN)
    whole, order = project.artifacts(), project.order("frames@ava", "hang")
    home = shutil.copytree(database, tmp_path / "prefect")
    with serving(home) as (url, process), Command(project.folder, url, *GOAL) as run:
        run.hangs()
        kill(process)
        order.unlink()
        with serving(home, int(url.split(":")[2].removesuffix("/api"))):
            run.ends(0)
            assert states(url) == ["Completed"]
    assert project.ran() == [f"{stage}@ava" for stage in PLAN] and project.artifacts() == whole


def test_an_unreachable_server_is_reported_without_a_traceback(project):
    with Command(project.folder, "http://127.0.0.1:1/api", *GOAL) as run:
        output = run.ends(1)
    assert "Prefect's server at http://127.0.0.1:1/api does not respond" in output and "Traceback" not in output
