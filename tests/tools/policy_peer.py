"""Decisions on IAM requests by `@cloud-copilot/iam-simulate`, which knows every action, resource type and condition key.

npm installs it in .local, as tests/iam/peer/package-lock.json pins it; it is used by tests only.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.iam.deployment import Deployment
from tests.iam.evaluator import Request
from tests.tools.infisical_sdks import installed, run
from tests.tools.local_stack import ROOT

LOCK = ROOT / "tests" / "iam" / "peer"
PACKAGE = json.loads((LOCK / "package.json").read_text())["dependencies"]
NAME = "@cloud-copilot/iam-simulate"


@dataclass(frozen=True)
class PeerDecision:
    """The decision, and the condition keys that the action does not have."""

    allowed: bool
    ignored: tuple[str, ...]


def simulation(request: Request, identity: list[dict[str, Any]], key_policy: dict[str, Any] | None) -> dict[str, Any]:
    """Return a request and its policies as the peer expects them."""
    # A first import has no ARN yet; the peer would evaluate a wildcard in several ways.
    resource = request.resource.replace(":certificate/*", ":certificate/NEW").replace(":key/*", ":key/NEW")
    found = {
        "request": {
            "action": request.action,
            "principal": request.principal,
            "resource": {"resource": resource, "accountId": request.principal.split(":")[4]},
            "contextVariables": request.keys(),
        },
        "identityPolicies": [{"name": f"policy{number}", "policy": one} for number, one in enumerate(identity)],
        "serviceControlPolicies": [],
        "resourceControlPolicies": [],
        **({} if key_policy is None else {"resourcePolicy": key_policy}),
    }
    # The peer finds variable parts of a condition key after a slash only, so it sees these as tags of the principal.
    text = json.dumps(found).replace("kms:EncryptionContext:", "aws:PrincipalTag/")
    result: dict[str, Any] = json.loads(text)
    return result


def decisions(simulations: list[dict[str, Any]]) -> list[PeerDecision]:
    """Return the peer's decisions; raise ValueError for a request or a policy that it considers invalid."""
    folder = installed(f"{NAME}@{PACKAGE[NAME]}", _install)
    done = subprocess.run(
        ["node", LOCK / "simulate.mjs", folder],
        input=json.dumps(simulations),
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    found = json.loads(done.stdout)
    for asked, one in zip(simulations, found, strict=True):
        if one["problem"]:
            raise ValueError(f"{asked['request']}: {json.dumps(one['problem'])}")
    return [PeerDecision(one["decision"] == "Allowed", tuple(one["ignored"])) for one in found]


def documents(deployment: Deployment, role: str, request: Request, keys: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the simulation of a request of a role of the template."""
    key = (
        keys.get(request.resource, {"Version": "2012-10-17", "Statement": []}) if ":key/" in request.resource else None
    )
    return simulation(request, deployment.identity_documents[role], key)


def _install(folder: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(LOCK / name, folder)
    run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", str(folder))
