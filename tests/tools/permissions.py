"""Judge all recorded needs against template.yaml, and list the permissions that no call uses.

Exit code 1 if a need is not allowed, if an unused permission is not explained in tests/iam/unused_permissions.toml, or if
an explanation matches nothing. `make check` runs it; no test runs and nothing is deployed.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evercert.aws.authority.key_policies import Roles, of_issuing
from tests.iam import recorded
from tests.iam.canonical import Entry
from tests.iam.deployment import Deployment
from tests.iam.evaluator import Decision, Request, evaluate
from tests.iam.judge import ROLES
from tests.iam.policies import statements

EXPLAINED = Path(recorded.__file__).with_name("unused_permissions.toml")
# With these parameters, every condition of the template that adds permissions is true.
PARAMETERS = {
    "Authority": "yes",
    "Responder": "yes",
    "Probes": "yes",
    "Acknowledgements": "yes",
    "ReportBucket": "BUCKET",
    "DestinationRegions": "us-east-1",
    "SecretArns": "arn:aws:secretsmanager:eu-central-1:000000000000:secret:NAME-AbCdEf",
    "DestinationBuckets": "arn:aws:s3:::BUCKET",
    "DestinationRoles": "arn:aws:iam::111122223333:role/NAME",
    "HostedZones": "NAME",
    "SolverRoles": "arn:aws:iam::111122223333:role/NAME",
    "PrivateCaArns": "arn:aws:acm-pca:eu-central-1:000000000000:certificate-authority/ID",
    "SecretKeys": "arn:aws:kms:eu-central-1:000000000000:key/SECRETS",
    "AccountKeys": "arn:aws:kms:eu-central-1:000000000000:key/ACCOUNT",
}
Permission = tuple[str, str, str]  # statement, action, resource


@dataclass
class Report:
    """Decisions on all needs, and the permissions that none of them uses."""

    needs: int = 0
    permissions: int = 0
    refused: list[str] = field(default_factory=list)
    unexplained: list[Permission] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        """Return one line for each problem."""
        return [
            *self.refused,
            *(f"no recorded call uses {action} on {on} ({label}): remove it, or explain it in {EXPLAINED.name}"
              for label, action, on in self.unexplained),
            *(f"{EXPLAINED.name}: {one} is used, or not in the template: remove the entry" for one in self.stale),
        ]  # fmt: skip


def key_documents(deployment: Deployment) -> dict[str, dict[str, Any]]:
    """Return the key policies of the template, of a key of a CA, and of keys that trust the account."""
    roles = Roles(
        deployment.arn("SignerRole"), tuple(deployment.arn(ROLES[who]) for who in ("checker", "issuer", "authority"))
    )
    key = f"arn:aws:kms:{deployment.region}:{deployment.account}:key/ID"
    root = {"AWS": f"arn:aws:iam::{deployment.account}:root"}
    usual = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": root, "Action": "kms:*", "Resource": "*"}],
    }
    return {
        **deployment.key_documents,
        key: of_issuing(roles, outside=False),
        PARAMETERS["SecretKeys"]: usual,
        PARAMETERS["AccountKeys"]: usual,
    }


def decide(entry: Entry, deployment: Deployment) -> Decision:
    """Return the decision on a recorded need."""
    request = request_of(entry, deployment)
    policy = None
    if ":key/" in request.resource:
        found = key_documents(deployment).get(request.resource)
        policy = statements(found, request.resource.rpartition("/")[2]) if found else []
    return evaluate(request, deployment.roles[ROLES[entry["principal"]]], policy)


def request_of(entry: Entry, deployment: Deployment) -> Request:
    """Return the request of a recorded need."""
    return Request(deployment.arn(ROLES[entry["principal"]]), entry["action"], entry["resource"], entry["context"])


def granted(deployment: Deployment) -> list[Permission]:
    """Return every action and resource that the policies of the functions' roles allow."""
    identity = [one for role in sorted(set(ROLES.values()) & set(deployment.roles)) for one in deployment.roles[role]]
    return [
        (one.label, action, resource)
        for one in identity
        if one.allow
        for action in one.actions
        for resource in one.resources
    ]


def report(entries: Iterable[Entry], explained: Iterable[Mapping[str, object]]) -> Report:
    """Judge the entries."""
    deployment, found, used = Deployment(PARAMETERS), Report(), set()
    for entry in entries:
        found.needs += 1
        decision = decide(entry, deployment)
        used.update(decision.by)
        if not decision.allowed:
            found.refused.append(
                f"{entry['principal']} may not {entry['action']} on {entry['resource']}: {decision.reason}"
            )
    permissions = granted(deployment)
    found.permissions = len(permissions)
    unused = [one for one in permissions if one not in used]
    for one in explained:
        matching = [permission for permission in unused if _matches(one, permission)]
        unused = [permission for permission in unused if permission not in matching]
        if not matching:
            found.stale.append(f"{one['role']} {one.get('action', '*')}")
    found.unexplained = unused
    return found


def _matches(explanation: Mapping[str, object], permission: Permission) -> bool:
    label, action, resource = permission
    actions = explanation.get("action", action)
    several = actions if isinstance(actions, list) else [actions]
    role, on = explanation["role"], str(explanation.get("on", ""))
    return role in ("*", label, label.split(" ")[0]) and action in several and on in resource


def explanations() -> list[Mapping[str, object]]:
    """Return the entries of the file: role (or `*`), or role and statement; perhaps action, part of the resource; reason."""
    found: list[Mapping[str, object]] = tomllib.loads(EXPLAINED.read_text())["unused"]
    return found


def main() -> int:
    """Print the report."""
    found = report(recorded.read(), explanations())
    print(f"permissions: {found.needs} recorded needs, {found.permissions} permissions, {len(found.problems)} problems")
    for line in found.problems:
        print(line)
    return 1 if found.problems else 0


if __name__ == "__main__":
    sys.exit(main())
