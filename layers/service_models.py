"""Trim the data that botocore reads when it creates a client: it parses whole service models and all endpoints.

`operations.json` names the operations that functions call. The tests record them (tests/iam/operations.py).
"""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

OPERATIONS: dict[str, list[str]] = json.loads(Path(__file__).with_name("operations.json").read_text())
FOR_OPERATIONS = ("paginators-1", "waiters-2")
_DOCUMENTATION = ("documentation", "documentationUrl")
_DESCRIBED = "clientContextParams"  # botocore reads their documentation


def trim(data: Path) -> None:
    """Keep the called operations of the called services, without documentation, and the endpoints of these services."""
    for service in [path for path in data.iterdir() if path.is_dir()]:
        if service.name not in OPERATIONS:
            shutil.rmtree(service)
            continue
        for outdated in sorted(path for path in service.iterdir() if path.is_dir())[:-1]:
            shutil.rmtree(outdated)  # botocore takes the latest version of an API
        for path in [*service.rglob("*.json*")]:
            _rewrite(path, OPERATIONS[service.name])
    _write(data / "endpoints.json", _endpoints(json.loads((data / "endpoints.json").read_text())))


def _rewrite(path: Path, operations: list[str]) -> None:
    """Write a file of a service without what no function reads; unpacked, which saves the time of gzip."""
    name = path.name.partition(".")[0]
    if name == "examples-1":
        path.unlink()
        return
    content = json.loads(gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes())
    if path.name.startswith("service-2.json"):
        content = model(content, operations)
    elif name in FOR_OPERATIONS:
        content = _of_operations(content, operations)
    path.unlink()
    _write(path.with_suffix("") if path.suffix == ".gz" else path, _undocumented(content))


def model(content: dict[str, Any], operations: list[str]) -> dict[str, Any]:
    """Return a service model with these operations, the shapes that they use, and all errors of the service."""
    kept = {name: content["operations"][name] for name in operations}
    shapes = content["shapes"]
    wanted = {name for name, shape in shapes.items() if shape.get("exception")}  # `client.exceptions` has them all
    left = wanted | set(_references(kept))
    while left:
        wanted |= left
        left = {name for one in left for name in _references(shapes[one])} - wanted
    return {**content, "operations": kept, "shapes": {name: shapes[name] for name in shapes if name in wanted}}


def _references(value: object) -> Iterator[str]:
    """Yield the names of the shapes to which a part of a model refers."""
    if isinstance(value, dict):
        if isinstance(name := value.get("shape"), str):
            yield name
        for one in value.values():
            yield from _references(one)
    elif isinstance(value, list):
        for one in value:
            yield from _references(one)


def _of_operations(content: dict[str, Any], operations: list[str]) -> dict[str, Any]:
    """Return the paginators and waiters of these operations, also in a file of additions (`merge`)."""
    if "merge" in content:
        return {**content, "merge": _of_operations(content["merge"], operations)}
    paginators = {name: one for name, one in content.get("pagination", {}).items() if name in operations}
    waiters = {name: one for name, one in content.get("waiters", {}).items() if one["operation"] in operations}
    return {**content, **({"waiters": waiters} if "waiters" in content else {"pagination": paginators})}


def _endpoints(content: dict[str, Any]) -> dict[str, Any]:
    """Return the endpoints of the called services in all partitions."""
    partitions = [{**one, "services": _called(one["services"])} for one in content["partitions"]]
    return {**content, "partitions": partitions}


def _called(services: Mapping[str, Any]) -> dict[str, Any]:
    return {name: endpoints for name, endpoints in services.items() if name in OPERATIONS}


def _undocumented(value: Any) -> Any:  # noqa: ANN401 (any JSON)
    if isinstance(value, dict):
        described = {name for name in _DOCUMENTATION if isinstance(value.get(name), str)}
        left = {name: one for name, one in value.items() if name not in described}
        return {name: one if name == _DESCRIBED else _undocumented(one) for name, one in left.items()}
    return [_undocumented(one) for one in value] if isinstance(value, list) else value


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, separators=(",", ":"), ensure_ascii=False))
