"""Finds the parsers of the package: functions that decode what others wrote, by the calls that they make."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from tests.tools.local_stack import ROOT

PACKAGE = ROOT / "layers" / "evercert" / "evercert"
PARSED = (
    "cli",
    "pki",
    "documents",
    "aws/dynamodb",
    "aws/authority",
    "http_client",
    "issuers",
    "solvers",
    "authority",
    "acme",
)
ROOT_MODULES = ("durations.py", "origins.py", "timestamps.py")
_NAMED = re.compile(r"_?(parse|read|load|decode|from)(_\w+)?")
_DECODER = re.compile(
    r"json\.loads|x509\.load_\w+|serialization\.load_\w+|(base64\.)?(urlsafe_)?b64decode|bytes\.fromhex"
    r"|datetime\.(fromisoformat|fromtimestamp|strptime)|parsedate_to_datetime|urlsplit|urlparse|parse_qsl?|unquote(_to_bytes)?"
    r"|ipaddress\.\w+|\w+(\.\w+)*\.(model_validate(_json)?|validate_python|validate_json)|idna\.\w+|ET\.fromstring|Decimal|UUID"
    r"|httpx\.URL|yaml\.\w+"
)
_NUMBERS = {"int", "float"}  # of a name or of an entry: `int(values["count"])`, not `int(span.total_seconds())`


def parsers() -> set[tuple[str, str]]:
    """Return module (as its path in the package) and qualified name of each parser."""
    files = [PACKAGE / name for name in ROOT_MODULES]
    files += [file for folder in PARSED for file in sorted((PACKAGE / folder).rglob("*.py"))]
    return {
        (file.relative_to(PACKAGE).as_posix(), name)
        for file in files
        for name, function in _functions(ast.parse(file.read_text()))
        if _is_parser(function)
    }


def called(run: Callable[[], object]) -> set[tuple[str, str]]:
    """Run something and return the functions of the package that it called, in the form of `parsers`."""
    found: set[Any] = set()

    def notice(frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            found.add(frame.f_code)

    _forget()
    sys.setprofile(notice)
    try:
        run()
    finally:
        sys.setprofile(None)
    return {
        (Path(code.co_filename).relative_to(PACKAGE).as_posix(), code.co_qualname.replace(".<locals>", ""))
        for code in found
        if Path(code.co_filename).is_relative_to(PACKAGE)
    }


def _forget() -> None:
    """Clear the caches of the package's functions: a result that an earlier test left there is returned without a call."""
    for name, module in list(sys.modules.items()):
        if name.startswith("evercert."):
            for value in list(vars(module).values()):
                if hasattr(value, "cache_clear"):
                    value.cache_clear()


def _functions(node: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.FunctionDef]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef):
            yield prefix + child.name, child
        name = f"{prefix}{child.name}." if isinstance(child, ast.FunctionDef | ast.ClassDef) else prefix
        yield from _functions(child, name)


def _is_parser(function: ast.FunctionDef) -> bool:
    return bool(_NAMED.fullmatch(function.name)) or any(_decodes(call) for call in _own_calls(function))


def _own_calls(function: ast.FunctionDef) -> Iterator[ast.Call]:
    """Yield the calls of a function without those of functions in it."""
    pending: list[ast.AST] = list(function.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Call):
            yield node
        if not isinstance(node, ast.FunctionDef):
            pending += ast.iter_child_nodes(node)


def _decodes(call: ast.Call) -> bool:
    name = ast.unparse(call.func)
    if name in _NUMBERS:
        return bool(call.args) and isinstance(call.args[0], ast.Name | ast.Subscript)
    if name.endswith(".decode"):
        return not isinstance(call.func.value, ast.Call)  # type: ignore[attr-defined]
    return bool(_DECODER.fullmatch(name))
