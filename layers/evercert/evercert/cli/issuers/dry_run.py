"""Checks of `issuer test`: those of the issuer function, and the web host of each name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from evercert import json_parser
from evercert.cli.doctor.certificate_checks import ask_issuer, error_message
from evercert.cli.doctor.stack_checks import Check
from evercert.cli.issuers import web_host
from evercert.schema import printable
from evercert.solvers import SOLVERS

if TYPE_CHECKING:
    from evercert.cli.connection import Connection
    from evercert.cli.issuers.definitions import Definition


def run(connection: Connection, issuer: Definition, names: Sequence[str]) -> list[Check]:
    """Ask the issuer function for its checks; then request a challenge's path of each name with http-01."""
    payload, failed = ask_issuer(connection, {"test": {"issuer": issuer.name, "names": list(names)}})
    checks = parse_checks(payload, failed=failed)
    return checks + [web_host.check(name) for name in names if _is_http(issuer.settings, name)]


def parse_checks(payload: bytes, *, failed: bool) -> list[Check]:
    """Return the checks in the function's response, or one that failed."""
    checks: list[Check] = []
    if not failed:
        try:
            checks = [_check(one) for one in json_parser.parse(payload)["checks"]]
        except (ValueError, KeyError, TypeError):
            checks = []
    if checks:
        return checks
    response = printable(error_message(payload), 400)
    remedy = "deploy the stack again, and read the issuer's log"
    return [Check("issuer function", "failed", f"the test failed: {response}", remedy)]


def _check(values: Any) -> Check:  # noqa: ANN401 (JSON)
    problem, found = values["problem"], str(values["found"])
    title = printable(str(values["check"]))
    return Check(title, "failed", printable(str(problem))) if problem else Check(title, "ok", printable(found))


def _is_http(settings: Any, name: str) -> bool:  # noqa: ANN401 (of any type of issuer)
    """Whether a solver for http-01 is chosen for the name; http-01 proves no wildcards."""
    choose = getattr(settings, "solver_for", None)
    choice = None if choose is None or name.startswith("*.") else choose(name)
    return choice is not None and SOLVERS.load(choice.type).challenge_type == "http-01"
