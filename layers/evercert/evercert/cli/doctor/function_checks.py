"""Checks of `doctor` for functions: state, runtime, architecture, errors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING

from evercert.cli import arguments, terminal
from evercert.cli.doctor.stack_checks import Check, CheckFunction, metric
from evercert.schema import printable

if TYPE_CHECKING:
    from evercert.cli.connection import Connection

ERROR_WINDOW = timedelta(hours=1)
_SUPPORTED = re.compile(r"python3\.(?:1[2-9]|[2-9][0-9])")
# Lambda Developer Guide, "Lambda runtimes": the dates of deprecation. AWS may move them.
DEPRECATED = {"python3.12": date(2028, 10, 31), "python3.13": date(2029, 6, 30)}
NOTICE = timedelta(days=180)
OPTIONAL = ("ResponderFunction", "ValidatorFunction", "ReportFunction")


def of_functions(connection: Connection) -> dict[str, CheckFunction]:
    """Return the checks by the output that names the function; some are optional."""
    names = ["CheckerFunction", "IssuerFunction"]
    names += [name for name in OPTIONAL if name in connection.outputs]
    return {name: partial(function, connection, name) for name in names}


def function(connection: Connection, logical: str) -> list[Check]:
    """Check a Lambda function, by the stack output that names it."""
    name = connection.output(logical)
    found = connection.clients.client("lambda").get_function_configuration(FunctionName=name)
    state, update = str(found.get("State", "Active")), str(found.get("LastUpdateStatus", "Successful"))
    if state not in {"Active", "Inactive"} or update == "Failed":
        why = printable(str(found.get("StateReason") or found.get("LastUpdateStatusReason") or "no reason given"))
        return [Check(logical, "failed", f"{state}, last update {update}: {why}", "deploy the stack again: sam deploy")]
    runtime, architecture = str(found.get("Runtime", "")), ", ".join(map(str, found.get("Architectures", [])))
    if runtime and not _SUPPORTED.fullmatch(runtime):
        remedy = "deploy with Runtime=python3.13, and build the layers for it (EVERCERT_TARGET)"
        return [Check(logical, "failed", f"runs on {printable(runtime)}: the layers need python3.12 or newer", remedy)]
    problems = [
        *_differences(connection.parameters, runtime, architecture),
        *_deprecation(runtime, terminal.now().date()),
        *_errors(connection, name.rpartition(":")[2]),
    ]
    where = printable(" ".join(filter(None, (runtime, architecture))))
    fine = f"{state.lower()}, {where}" if where else state.lower()
    return [Check(logical, "warning", *one) for one in problems] or [Check(logical, "ok", fine)]


def _differences(parameters: Mapping[str, str], runtime: str, architecture: str) -> Iterator[tuple[str, str]]:
    """Compare a function with the stack's parameters, for which the layers were built."""
    for parameter, found in (("Runtime", runtime), ("Architecture", architecture)):
        wanted = parameters.get(parameter)
        if wanted and found and found != wanted:
            problem = f"runs on {printable(found)}, but the stack and its layers are for {printable(wanted)}"
            remedy = (
                f"set it back to {wanted}, or build the layers for it (EVERCERT_TARGET) and deploy with {parameter}"
            )
            yield problem, remedy


def _deprecation(runtime: str, today: date) -> Iterator[tuple[str, str]]:
    day = DEPRECATED.get(runtime)
    if day is not None and day - today <= NOTICE:
        remedy = "deploy with a newer Runtime, and build the layers for it (EVERCERT_TARGET)"
        yield f"AWS deprecates {runtime} on {day}", remedy


def _errors(connection: Connection, name: str) -> Iterator[tuple[str, str]]:
    dimension = {"Name": "FunctionName", "Value": name}
    errors = metric(connection, ("AWS/Lambda", "Errors", "Sum"), dimension, ERROR_WINDOW)
    if errors:
        remedy = "search its log for crashes: timeouts, lack of memory"
        yield f"{arguments.counted(int(errors), 'error')} in the last hour", remedy
