"""AWS operations that the code of the functions can call: methods of the typed clients in all modules that they load.

It also finds calls that no test makes. A module names its clients by their types (`types_boto3_kms`), by the properties of
`Clients`, or by the services that it passes to `client` and `client_in`.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from functools import cache, cached_property
from pathlib import Path

import botocore.session
import botocore.utils
from botocore import xform_name
from botocore.exceptions import UnknownServiceError

import evercert
from evercert.aws.clients import Clients
from tests.iam.operations import Operation
from tests.tools.local_stack import ROOT

PACKAGE = Path(evercert.__file__).resolve().parents[1]
TYPES = "types_boto3_"
SERVICES = {"acm_pca": "acm-pca", "acm_once": "acm", "lambda_": "lambda"}  # of the names that differ


def modules() -> set[Path]:
    """Return the files of the package that a function loads, at its start or later."""
    found: set[Path] = set()
    left = set((ROOT / "functions").glob("*/app.py"))
    while left:
        found |= left
        left = {path for one in left for path in _imports(one)} - found
    return {path for path in found if path.is_relative_to(PACKAGE)}


def _imports(path: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("evercert."):
            names = [node.value.partition(":")[0]]  # an entry of a registry
        else:
            continue
        for name in names:
            base = PACKAGE.joinpath(*name.split("."))
            yield from (one for one in (base.with_suffix(".py"), base / "__init__.py") if one.is_file())


def imports(path: Path) -> set[str]:
    """Return the packages that a module imports at run time, at its start or later."""
    tree = ast.parse(path.read_text())
    typing = [node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    ignored = {id(one) for node in typing for one in ast.walk(node)}
    found = set()
    for node in ast.walk(tree):
        if id(node) not in ignored and isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif id(node) not in ignored and isinstance(node, ast.ImportFrom):
            found.add(str(node.module).partition(".")[0])
    return found


def operations() -> set[Operation]:
    """Return the operations that the modules call."""
    found = set()
    for path in modules():
        tree = ast.parse(path.read_text())
        methods = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} | _paginated(tree)
        for service in _services(tree):
            found |= {(service, name) for name, method in _methods(service).items() if method in methods}
    return found


@cache
def _methods(service: str) -> dict[str, str]:
    """Return the methods of a client by operation; none if there is no such service."""
    try:
        model = botocore.session.get_session().get_service_model(service)
    except UnknownServiceError:
        return {}
    return {name: xform_name(name) for name in model.operation_names}


def of_botocore() -> set[Operation]:
    """Return the operations that the clients of the functions call by themselves: of S3, after a redirect."""
    methods = set(re.findall(r"_client\.(\w+)\(", inspect.getsource(botocore.utils)))
    return {("s3", name) for name, method in _methods("s3").items() if method in methods}


def _services(tree: ast.Module) -> set[str]:
    """Return the services whose clients a module has."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(TYPES):
            name = str(node.module).removeprefix(TYPES).partition(".")[0]
            found.add(SERVICES.get(name, name))
        elif isinstance(node, ast.Attribute) and isinstance(vars(Clients).get(node.attr), cached_property):
            found.add(SERVICES.get(node.attr, node.attr))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and "client" in node.func.attr:
            found |= {one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)}
    return found


def _paginated(tree: ast.Module) -> set[str]:
    """Return the operations of paginators, and the names of waiters."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    wanted = [call for call in calls if call.func.attr in ("get_paginator", "get_waiter")]
    return {str(one.value) for call in wanted for one in call.args if isinstance(one, ast.Constant)}
