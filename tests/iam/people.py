"""The policies for people in docs/policies, and the commands that docs/how-to/permissions.md promises for each."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.iam.deployment import Deployment
from tests.iam.judge import Judged
from tests.tools.local_stack import ROOT

PAGE = ROOT / "docs" / "how-to" / "permissions.md"
FOLDER = ROOT / "docs" / "policies"
EXPLAINED = Path(__file__).with_name("unused_policy_permissions.toml")
BASE = "read-only"  # the page: people have the other policies in addition to it
HOST, HOST_CERTIFICATE = "host", "people-host"
POLICIES = {BASE: (BASE,), "operator": (BASE, "operator"), "ceremony": (BASE, "ceremony"), HOST: (HOST,)}
NO_POLICY = "none"  # commands that call no service
ROW = re.compile(r"\| (?:\[([a-z-]+)\]\(\.\./policies/\1\.json\)|(none))[^|]*\|[^|]*\|([^|]*)\|")
Grant = tuple[str, str, str]  # policy, statement, action or resource


def promised() -> dict[str, str]:
    """Return the policy of each command in the page's table; options that change the policy are part of a command."""
    found: dict[str, str] = {}
    for linked, none, commands in ROW.findall(PAGE.read_text()):
        for command in re.findall(r"`([^`]+)`", commands):
            if command in found:
                raise ValueError(f"{PAGE.name} names {command} twice: remove one of them")
            found[command] = linked or none
    return found


def policy_of(arguments: Sequence[str], promises: Mapping[str, str]) -> tuple[str, str]:
    """Return the command that the page names for these arguments, the longest one, and its policy."""
    matching = [command for command in promises if _is_run(command.split(), arguments)]
    if not matching:
        raise ValueError(f"{PAGE.name} names no policy for evercert {' '.join(arguments)}: add it to the table")
    command = max(matching, key=lambda one: len(one.split()))
    return command, promises[command]


def _is_run(command: Sequence[str], arguments: Sequence[str]) -> bool:
    words = [word for word in command if not word.startswith("-")]
    options = set(command) - set(words)
    return list(arguments[: len(words)]) == words and options <= set(arguments)


def policy(name: str, deployment: Deployment) -> dict[str, Any]:
    """Return one policy, its placeholders replaced as the page says."""
    found: dict[str, Any] = json.loads(filled((FOLDER / f"{name}.json").read_text(), deployment))
    return found


def filled(text: str, deployment: Deployment) -> str:
    """Return the text with the values of a stack instead of the placeholders."""
    values = {"ACCOUNT": deployment.account, "REGION": deployment.region, "STACK": deployment.stack}
    values["NAME"] = HOST_CERTIFICATE
    for placeholder, value in values.items():
        text = text.replace(placeholder, value)
    return text


def document(name: str, deployment: Deployment) -> dict[str, Any]:
    """Return everything that a person with this policy may do, as one document with `policy/statement` as ids."""
    statements = [
        {**one, "Sid": f"{file}/{one['Sid']}"}
        for file in POLICIES[name]
        for one in policy(file, deployment)["Statement"]
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def refusals(judged: Iterable[Judged], expected: Collection[tuple[str, str, str]] = ()) -> list[str]:
    """Return one line for each need without a permission, even if the emulator refused the call as AWS would.

    `expected`: policy, action and file of calls without which a command continues.
    """
    denied = [one for one in judged if not one.decision.allowed]
    return sorted(
        {str(one) for one in denied if (one.principal, one.request.action, one.caller.split(" < ")[0]) not in expected}
    )


def granted(deployment: Deployment) -> set[Grant]:
    """Return every action and every resource of the statements."""
    return {
        (name, str(one["Sid"]), each)
        for name in POLICIES
        for one in policy(name, deployment)["Statement"]
        for each in (*_several(one["Action"]), *_several(one["Resource"]))
    }


def used(judged: Iterable[Judged]) -> set[Grant]:
    """Return what people's own policies granted: not what read-only grants them already."""
    found: set[Grant] = set()
    for one in judged:
        grants = list(_grants(one))
        if one.principal == BASE or not any(name == BASE for name, *_ in grants):
            found.update(grants)
    return found


def _grants(judged: Judged) -> Iterator[Grant]:
    for label, action, resource in judged.decision.by:
        principal, _, statement = label.partition(" ")
        name, _, sid = statement.partition("/")
        if judged.decision.allowed and principal == judged.principal and sid:
            yield from ((name, sid, action), (name, sid, resource))


def superfluous(unused: Iterable[Grant], explained: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return one line for each unused grant without an explanation, and for each explanation that explains nothing."""
    left, problems = set(unused), []
    for one in explained:
        entries = {(one["policy"], one["statement"], each) for each in _several(one["grant"])}
        if stale := entries - left:
            problems += [f"{EXPLAINED.name}: {' '.join(entry)} is used or does not exist: remove it" for entry in stale]
        left -= entries
    problems += [f"no command uses {' '.join(grant)}: remove it, or explain it in {EXPLAINED.name}" for grant in left]
    return sorted(problems)


def explanations(deployment: Deployment) -> list[Mapping[str, Any]]:
    """Return the entries of the file: policy, statement, grant (one or several actions and resources), reason."""
    found: list[Mapping[str, Any]] = tomllib.loads(filled(EXPLAINED.read_text(), deployment))["unused"]
    return found


def _several(found: Any) -> list[str]:
    return [found] if isinstance(found, str) else list(found)
