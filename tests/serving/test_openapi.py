"""What /openapi.json says of the service is so, for requests that are right, wrong and odd."""

import json

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from asking import png
from graticule.serving.review import Batch
from serving.conftest import StandIn, running

LITTLE = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def documented(tmp_path_factory):
    """The document of a server that has a batch to review, and answers without a model."""
    folder = tmp_path_factory.mktemp("batch")
    (folder / "a.png").write_bytes(png())
    result = {
        "path": "a.png",
        "latitude": 1.0,
        "longitude": 2.0,
        "radius_km": 3.0,
        "candidates": [],
        "model": "x",
    }
    (folder / "results.jsonl").write_text(json.dumps(result) + "\n")
    batch = Batch(folder / "results.jsonl", folder=folder)
    with running({"stand-in": StandIn()}, batch, limits={"idle_s": 2}) as server:
        yield schemathesis.openapi.from_url(f"{server.url}openapi.json")


def keep_to_document(operation, mode):
    # Which words name a region, no schema can say.
    untold = [positive_data_acceptance] if operation.path == "/v1/locate" else []

    @LITTLE
    @given(operation.as_strategy(generation_mode=mode))
    def keeps_to_it(case):
        case.call_and_validate(excluded_checks=untold)

    keeps_to_it()


def test_right_requests_are_answered_as_documented(documented):
    operations = [found.ok() for found in documented.get_all_operations()]
    assert len(operations) == 11
    for operation in operations:
        keep_to_document(operation, GenerationMode.POSITIVE)


def test_wrong_requests_are_refused_as_documented(documented):
    for operation in (found.ok() for found in documented.get_all_operations()):
        if operation.path_parameters or operation.query or operation.body:
            keep_to_document(operation, GenerationMode.NEGATIVE)
