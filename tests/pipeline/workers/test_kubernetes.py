"""The job template of a Kubernetes pool, checked without a cluster by Prefect's server and its Kubernetes worker."""

import asyncio
import json
import re
import uuid
from pathlib import Path

import pytest
import pipeline  # noqa: F401  before Prefect: switches its analytics off
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import PrefectHTTPStatusError
from prefect.utilities.schema_tools import is_valid_schema, validate

TEMPLATE = json.loads((Path(__file__).parents[3] / "pipeline/workers/kubernetes.json").read_text())


def test_used_and_declared_variables_are_the_same():
    asked = set(re.findall(r"{{ (\w+) }}", json.dumps(TEMPLATE["job_configuration"])))
    assert asked == set(TEMPLATE["variables"]["properties"])
    is_valid_schema(TEMPLATE["variables"])


@pytest.mark.parametrize("values, wrong", [
    ({"image": "registry/fakemotion:1"}, ""), ({"image": "registry/fakemotion:1", "gpus": 8}, ""), ({}, "image"),
    ({"image": "registry/fakemotion:1", "gpus": -1}, "-1"), ({"image": "a", "memory": 16}, "16")])
def test_values_are_checked(values, wrong):
    errors = [error.message for error in validate(values, TEMPLATE["variables"], raise_on_error=False)]
    assert not errors if not wrong else wrong in " ".join(errors)


def test_the_server_accepts_it(prefect):
    with get_client(sync_client=True) as client:
        made = client.create_work_pool(WorkPoolCreate(name="fleet", type="kubernetes", base_job_template=TEMPLATE))
        assert made.base_job_template["job_configuration"] == TEMPLATE["job_configuration"]
        lacking = {**TEMPLATE, "variables": {"type": "object", "properties": {}}}
        with pytest.raises(PrefectHTTPStatusError):
            bad = WorkPoolCreate.model_construct(name="bad", type="kubernetes", base_job_template=lacking)
            client.create_work_pool(bad)


def test_the_worker_creates_a_job_from_it(prefect):
    worker = pytest.importorskip("prefect_kubernetes.worker")
    values = {"image": "registry/fakemotion:1", "gpus": 2, "env": {"PREFECT_LOGGING_LOG_PRINTS": "true"}}
    job = asyncio.run(worker.KubernetesWorkerJobConfiguration.from_template_and_values(TEMPLATE, values))
    job.prepare_for_flow_run(FlowRun(id=uuid.uuid4(), flow_id=uuid.uuid4(), name="generator_training@ava"))
    pod = job.job_manifest["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert container["image"] == "registry/fakemotion:1" and container["args"] == ["prefect", "flow-run", "execute"]
    assert container["resources"]["limits"] == {"nvidia.com/gpu": 2, "memory": "16Gi"}
    names = {variable["name"] for variable in container["env"]}
    assert {"PREFECT_LOGGING_LOG_PRINTS", "PREFECT__FLOW_RUN_ID"} <= names
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    assert pod["volumes"][0]["secret"] == {"secretName": "fakemotion-remote"}
