"""Checks of `issuer test`: those of the issuer function, and CAA records and web host of each name."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from evercert import json_parser
from evercert.acme.caa import Applicant
from evercert.cli.doctor.certificate_checks import ask_issuer, error_message
from evercert.cli.doctor.stack_checks import Check
from evercert.cli.issuers import caa, web_host
from evercert.schema import printable
from evercert.solvers import SOLVERS

if TYPE_CHECKING:
    from evercert.cli.connection import Connection
    from evercert.cli.issuers.definitions import Definition


def run(connection: Connection, issuer: Definition, names: Sequence[str], account: str | None) -> list[Check]:
    """Ask the issuer function for its checks; then look up CAA records, and request a path of each name with http-01.

    `account` is the URL of the account at the CA.
    """
    payload, failed = ask_issuer(connection, {"test": {"issuer": issuer.name, "names": list(names)}})
    checks = parse_checks(payload, failed=failed)
    domains = parse_identities(payload)
    if domains:
        checks += [
            caa.check(name, Applicant(domains, account, _method(issuer.settings, name)))
            for name in names
            if not _is_address(name)
        ]
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


def parse_identities(payload: bytes) -> list[str]:
    """Return the CAA identities in the function's response; empty if it has none."""
    try:
        found = json_parser.parse(payload)["caa_identities"]
    except (ValueError, KeyError, TypeError):
        return []
    return [printable(one, 253) for one in found if isinstance(one, str)] if isinstance(found, list) else []


def _check(values: Any) -> Check:  # noqa: ANN401 (JSON)
    problem, found = values["problem"], str(values["found"])
    title = printable(str(values["check"]))
    return Check(title, "failed", printable(str(problem))) if problem else Check(title, "ok", printable(found))


def _is_http(settings: Any, name: str) -> bool:  # noqa: ANN401 (of any type of issuer)
    """Whether a solver for http-01 is chosen for the name; http-01 proves no wildcards."""
    return not name.startswith("*.") and _method(settings, name) == "http-01"


def _method(settings: Any, name: str) -> str | None:  # noqa: ANN401 (of any type of issuer)
    """Return the challenge type of the name's solver; None if it has none."""
    choose = getattr(settings, "solver_for", None)
    choice = None if choose is None else choose(name)
    found = None if choice is None else str(SOLVERS.load(choice.type).challenge_type)
    return None if found == "none" else found


def _is_address(name: str) -> bool:
    """Whether the name is an IP address, for which there are no CAA records."""
    with suppress(ValueError):
        ip_address(name)
        return True
    return False
