"""Fixtures: two machines that share only a Prefect server and a DVC remote. The caller and the worker each have their
own copy of the miniature project."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import FlowFilter, FlowFilterName
from prefect.client.schemas.objects import FlowRun
from prefect.workers.process import ProcessWorker

import pipeline.orchestration.worker_flow  # noqa: F401  loads the modules of stages/ that a caller and a worker need
from pipeline import polling
from stages import layout
from tests.miniature import ROOT, Project, once
from tests.server import kill, serving

PACE = 0.25  # scales the polling intervals of the programs that are started here
TRAININGS = ["generator_training@ava", "local_gan_training@ava"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker("fault")


class Machine(Project):
    """A copy of the project with its own cache, in which `python -m` programs run."""

    def __init__(self, folder: Path, url: str):
        super().__init__(folder)
        self.environment = os.environ | {
            "PREFECT_API_URL": url, "PREFECT_HOME": str(folder.parent / f"{folder.name}_home"), "FAKEMOTION": str(folder),
            "PREFECT_WORKER_QUERY_SECONDS": "1", polling.PACE_VARIABLE: str(PACE), "DVC_SITE_CACHE_DIR": str(folder.parent / f"{folder.name}_dvc"),
        }

    @contextmanager
    def runs(self, *command: str, **environment: str) -> Iterator[subprocess.Popen]:
        """Runs `python -m ...` until the end of the context, with its output in `log`."""
        self.log = self.folder.parent / f"{self.folder.name}.log"
        with self.log.open("w") as log:
            process = subprocess.Popen([sys.executable, "-m", *command], cwd=self.folder, stdout=log, stderr=log,
                                       env=self.environment | environment, start_new_session=True)
        try:
            yield process
        finally:
            kill(process, signal.SIGTERM)

    def power_off(self) -> None:
        """Kills every program that was started here, as if the machine had crashed."""
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if f"FAKEMOTION={self.folder}\0".encode() in (folder / "environ").read_bytes():
                    os.kill(int(folder.name), signal.SIGKILL)

    @property
    def output(self) -> str:
        return self.log.read_text()

    def commit(self) -> None:
        who = ["-c", "user.name=test", "-c", "user.email=", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "add", "-A"], cwd=self.folder, check=True)
        subprocess.run(["git", *who, "commit", "-qm", "as it is"], cwd=self.folder, check=True)

    def clone(self, folder: Path) -> "Machine":
        subprocess.run(["git", "clone", "-q", self.folder, folder], check=True)
        shutil.copy(self.folder / ".dvc/config.local", folder / ".dvc")
        return Machine(folder, self.environment["PREFECT_API_URL"])


@pytest.fixture(scope="session")
def server(database, tmp_path_factory) -> Iterator[str]:
    """A server for each test process: its workers must not take runs of other processes."""
    home = shutil.copytree(database, tmp_path_factory.mktemp("prefect"), dirs_exist_ok=True)
    with serving(home) as (url, _):
        yield url


@pytest.fixture(scope="session")
def pool(server) -> str:
    """The server's URL, with the work pools and deployments of pipeline/workers/deploy.yaml."""
    environment = os.environ | {"PREFECT_API_URL": server}
    template = ProcessWorker.get_default_base_job_template()
    with SyncPrefectClient(server) as client:
        for name in ("cpu", "gpu"):
            client.create_work_pool(WorkPoolCreate(name=name, type="process", base_job_template=template))
    command = ["prefect", "--no-prompt", "deploy", "--prefect-file", "pipeline/workers/deploy.yaml", "--all"]
    subprocess.run([sys.executable, "-m", *command], cwd=ROOT, env=environment, check=True, capture_output=True)
    return server


@pytest.fixture
def client(pool) -> Iterator[SyncPrefectClient]:
    with SyncPrefectClient(pool) as one:
        yield one


@pytest.fixture(scope="session")
def whole(computed, tmp_path_factory) -> Path:
    """The computed project with a copy of the pipeline in it."""
    return once(tmp_path_factory, "whole", lambda folder: _complete(computed, folder))


def _complete(computed: Project, folder: Path) -> None:
    shutil.copytree(computed.folder, folder, symlinks=True, dirs_exist_ok=True)
    shutil.copytree(ROOT / "pipeline", folder / "pipeline", ignore=shutil.ignore_patterns("__pycache__"),
                    dirs_exist_ok=True)
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name.startswith("stages.") and file and name.split(".")[1] not in layout.KINDS:
            copy = folder / Path(file).relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, copy)
    Project(folder).dvc("repro")
    (folder / "ran").unlink()


@pytest.fixture
def caller(whole, pool, s3, tmp_path) -> Machine:
    """The project, committed. Its trainings must be computed again and will write the same files."""
    shutil.copytree(whole, tmp_path / "caller", symlinks=True)
    machine = Machine(tmp_path / "caller", pool)
    machine.stale(*(address.partition("@")[0] for address in TRAININGS))
    s3.remote().configure(machine.folder)
    machine.commit()
    return machine


@pytest.fixture
def worker(caller, tmp_path) -> Machine:
    return caller.clone(tmp_path / "worker")


@pytest.fixture
def given(client) -> Callable[[], list[FlowRun]]:
    """A function that returns the runs that workers got in this test, the oldest first."""
    mine = FlowFilter(name=FlowFilterName(any_=["remote_stage"]))
    before = {run.id for run in client.read_flow_runs(flow_filter=mine)}

    def runs() -> list[FlowRun]:
        found = [run for run in client.read_flow_runs(flow_filter=mine) if run.id not in before]
        return sorted(found, key=lambda run: run.created)

    return runs
