"""The data of botocore in the layer: clients of the called operations work as with all data, and nothing else is kept."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import botocore
import botocore.session
import pytest
from botocore import xform_name
from botocore.loaders import Loader
from botocore.model import Shape
from botocore.session import Session

from tests.iam import called_in_code
from tests.iam.operations import kept
from tests.tools.local_stack import ROOT

ORIGINAL = Path(botocore.__file__).with_name("data")
SERVICES = sorted({service for service, _ in kept()})
OTHERS = ("ec2", "cloudformation")
REGIONS = [
    *("eu-central-1", "us-east-1", "aws-global", "cn-north-1", "us-gov-west-1", "us-iso-east-1", "us-isob-east-1"),
    *("us-isof-south-1", "eu-isoe-west-1", "eusc-de-east-1", "xx-new-1"),
]
CREDENTIALS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trim a copy of botocore's data."""
    folder = tmp_path_factory.mktemp("layer") / "data"
    shutil.copytree(ORIGINAL, folder, ignore=lambda path, names: _unneeded(Path(path), names))
    sys.path.insert(0, str(ROOT / "layers"))
    try:
        import service_models

        service_models.trim(folder)
    finally:
        sys.path.remove(str(ROOT / "layers"))
    return folder


def _unneeded(folder: Path, names: list[str]) -> list[str]:
    wanted = (*SERVICES, *OTHERS)
    return [name for name in names if folder == ORIGINAL and (folder / name).is_dir() and name not in wanted]


@pytest.fixture(scope="module")
def trimmed(data: Path) -> Session:
    session = botocore.session.get_session()
    session.register_component("data_loader", Loader([str(data)], include_default_search_paths=False))
    return session


@pytest.fixture(scope="module")
def whole() -> Session:
    return botocore.session.get_session()


def client(session: Session, service: str, region: str = "eu-central-1", **more: Any) -> Any:
    return session.create_client(service, region_name=region, **CREDENTIALS, **more)


def described(shape: Shape | None, seen: tuple[str, ...] = ()) -> Any:
    """Return everything that a shape says to serializers and parsers."""
    if shape is None or shape.name in seen:
        return shape and shape.name
    seen = (*seen, shape.name)
    parts = {name: described(one, seen) for name, one in getattr(shape, "members", {}).items()}
    inner = [described(getattr(shape, name), seen) for name in ("member", "key", "value") if hasattr(shape, name)]
    traits = {"enum": list(getattr(shape, "enum", [])), "required": list(getattr(shape, "required_members", []))}
    return shape.name, shape.type_name, shape.serialization, shape.metadata, traits, parts, inner


def test_layer_keeps_what_the_code_calls() -> None:
    assert kept() == called_in_code.operations() | called_in_code.of_botocore()


@pytest.mark.parametrize("service", SERVICES)
def test_kept_operations_are_described_as_before(trimmed: Session, whole: Session, service: str) -> None:
    ours, theirs = trimmed.get_service_model(service), whole.get_service_model(service)
    assert {(service, name) for name in ours.operation_names} == {one for one in kept() if one[0] == service}
    assert ours.metadata == theirs.metadata
    assert ours.client_context_parameters == theirs.client_context_parameters
    for name in ours.operation_names:
        one, other = ours.operation_model(name), theirs.operation_model(name)
        for part in ("input_shape", "output_shape"):
            assert described(getattr(one, part)) == described(getattr(other, part))
        for part in ("http", "auth_type", "auth", "idempotent_members", "endpoint", "static_context_parameters"):
            assert getattr(one, part) == getattr(other, part)
        for part in (
            "context_parameters",
            "http_checksum",
            "request_compression",
            "has_streaming_output",
            "error_shapes",
        ):
            assert repr(getattr(one, part)) == repr(getattr(other, part))


@pytest.mark.parametrize("service", SERVICES)
def test_every_error_of_a_service_keeps_its_class(trimmed: Session, whole: Session, service: str) -> None:
    ours, theirs = trimmed.get_service_model(service), whole.get_service_model(service)
    assert [described(one) for one in ours.error_shapes] == [described(one) for one in theirs.error_shapes]
    assert set(dir(client(trimmed, service).exceptions)) == set(dir(client(whole, service).exceptions))


@pytest.mark.parametrize("service", SERVICES)
def test_endpoints_remain_in_every_partition(trimmed: Session, whole: Session, service: str) -> None:
    ours, theirs = [one._get_internal_component("endpoint_resolver") for one in (trimmed, whole)]
    assert ours.get_available_partitions() == theirs.get_available_partitions()
    for region in REGIONS:
        assert ours.construct_endpoint(service, region) == theirs.construct_endpoint(service, region)
    for region in ("eu-central-1", "cn-north-1", "us-gov-west-1"):
        assert client(trimmed, service, region).meta.endpoint_url == client(whole, service, region).meta.endpoint_url


@pytest.mark.parametrize("service", SERVICES)
def test_paginators_of_kept_operations_remain(trimmed: Session, whole: Session, service: str) -> None:
    ours, theirs = client(trimmed, service), client(whole, service)
    for _, name in (one for one in kept() if one[0] == service):
        method = xform_name(name)
        assert ours.can_paginate(method) == theirs.can_paginate(method)
        if ours.can_paginate(method):
            one, other = ours.get_paginator(method), theirs.get_paginator(method)
            assert one._pagination_cfg == other._pagination_cfg


def test_waiters_of_kept_operations_remain(trimmed: Session, whole: Session) -> None:
    assert client(trimmed, "s3").waiter_names == client(whole, "s3").waiter_names
    assert client(trimmed, "acm").waiter_names == []
    assert client(whole, "acm").waiter_names != []


def test_everything_else_is_removed(data: Path, trimmed: Session) -> None:
    assert sorted(path.name for path in data.iterdir() if path.is_dir()) == SERVICES
    assert not hasattr(client(trimmed, "dynamodb"), "create_table")
    assert [path for path in data.rglob("*") if path.suffix == ".gz" or path.name.startswith("examples")] == []
    for model in data.rglob("*/*.json"):
        content = json.loads(model.read_text())
        content.pop("clientContextParams", None)  # botocore reads their documentation
        assert '"documentation":' not in json.dumps(content, separators=(",", ":"))
    partitions = json.loads((data / "endpoints.json").read_text())["partitions"]
    assert {name for one in partitions for name in one["services"]} <= set(SERVICES)
