"""The steps of one acceptance run on a stack of its own, from deployment to the event of a failure."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evercert.aws.tags import STACK_TAG
from tests.tools.acceptance.deployment import TAG, Deployment
from tests.tools.local_authority import PROFILE, set_up
from tests.tools.openssl import CheckFailed, require
from tests.tools.operator_session import TYPES, Example, OperatorSession, check_with_openssl, say

COUNTER = Path(__file__).parent / "counter"
ISSUED, FAILED = "certificate.issued", "certificate.failed"
MINUTES = 45  # of all steps together; the removal has its own limits


class Acceptance(OperatorSession):
    """Deploy, issue, renew, deliver and fail once; every name contains the name of the run."""

    command_seconds = 600

    def __init__(self, deployment: Deployment, environment: Mapping[str, str], folder: Path) -> None:
        self.web = Example(f"{deployment.name}-web", ("DNS:www.example.com",))
        self.app = Example(f"{deployment.name}-app", ("DNS:app.example.com",))
        self.refused = Example(f"{deployment.name}-refused")
        super().__init__(
            deployment.client, {**environment, "PYTHONPATH": str(COUNTER)}, [self.web, self.app, self.refused]
        )
        self.deployment, self.folder = deployment, folder
        self.give_up = time.monotonic() + MINUTES * 60

    @contextmanager
    def phase(self, title: str) -> Iterator[None]:
        if time.monotonic() > self.give_up:
            raise CheckFailed(f"the run took longer than {MINUTES} minutes; it stops before: {title}")
        with super().phase(title):
            yield

    def run(self) -> None:
        """Run all steps; raise CheckFailed at the first one whose result is wrong."""
        with self.phase("deploy the stack"):
            outputs = self.deployment.deploy()
        self.subscribe(outputs["Topic"], self.deployment.name, [*TYPES, FAILED], {TAG: self.deployment.name})
        with self.authority(outputs) as issuer:
            with self.phase("set up the authority"):
                identity = set_up(self.evercert, outputs["IssuerRole"])
                self.check_root()
            with self.phase("issue two certificates"):
                self.evercert(
                    "apply", self.document({**issuer, "auth": {"type": "aws-iam", "identity-id": identity}}), "--wait"
                )
                issued, of_authority = self.next_event(self.web, TYPES[0]), self.next_event(self.app, TYPES[0])
            with self.phase("check the certificates in Secrets Manager and ACM"):
                first, arn = self.check_web(issued)
                self.check_issuer(self.app, first_of_app := self.secret(self.app, "AWSCURRENT"), of_authority)
            with self.phase("renew both"):
                for example in (self.web, self.app):
                    self.evercert("renew", example.name, "--wait", "--yes")
                renewed, again = self.next_event(self.web, TYPES[1]), self.next_event(self.app, TYPES[1])
            with self.phase("check the renewed certificates"):
                self.compare(self.web, first, issued, renewed)
                require(self.check_web(renewed)[1] == arn, "the renewed certificate has a different ARN in ACM")
                self.compare(self.app, first_of_app, of_authority, again)
                self.check_issuer(self.app, self.secret(self.app, "AWSCURRENT"), again)
            with self.phase("evercert doctor"):
                self.evercert("doctor")
            with self.phase("provoke a failure and receive its event"):
                self.fail_once()

    @contextmanager
    def authority(self, outputs: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """Yield the settings of an issuer that reaches the authority; on AWS its TLS certificate is public."""
        yield {"address": outputs["AuthorityAddress"]}

    def document(self, issuer: dict[str, Any]) -> str:
        """Write a document with one certificate of each issuer; return its path."""
        project, profile = PROFILE.split("/")
        authority = {"type": "infisical", "project": project, "profile": profile, **issuer}
        secret, acm = {"type": "secrets-manager"}, {"type": "acm"}
        return self._written(
            {"development": {"type": "self-signed"}, "authority": authority},
            [
                {"name": self.web.name, "issuer": "development", "destinations": [secret, acm]}
                | {"attributes": {"common-name": "www.example.com", "ttl": "90d"}},
                {"name": self.app.name, "issuer": "authority", "destinations": [secret]}
                | {"attributes": {"common-name": "app.example.com", "ttl": "30d"}},
            ],
        )

    def check_web(self, event: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """Check the self-signed certificate; return the secret's value and the ARN in ACM."""
        value = self.secret(self.web, "AWSCURRENT")
        check_with_openssl(self.web, value, event)
        return value, self.check_acm(value, event)

    def fail_once(self) -> None:
        """Take a secret away from the stack; expect the refusal of `apply`, and of the renewal with its event."""
        secrets = self.client("secretsmanager")
        certificate = {
            "name": self.refused.name, "issuer": "development", "destinations": [{"type": "secrets-manager"}],
            "attributes": {"common-name": "refused.example.com", "ttl": "90d"},
        }  # fmt: skip
        document = self._written({"development": {"type": "self-signed"}}, [certificate])
        self.evercert("apply", document, "--wait")
        self.next_event(self.refused, ISSUED)
        before = secrets.get_secret_value(SecretId=self.refused.secret)["SecretString"]
        secrets.tag_resource(SecretId=self.refused.secret, Tags=[{"Key": TAG, "Value": self.deployment.name}])
        secrets.untag_resource(SecretId=self.refused.secret, TagKeys=[STACK_TAG])
        certificate["attributes"] = {"common-name": "refused.example.com", "ttl": "80d"}
        document = self._written({"development": {"type": "self-signed"}}, [certificate])
        self.evercert("apply", document, code=2)
        self.evercert("renew", self.refused.name, "--wait", code=1)
        event = self.next_event(self.refused, FAILED)
        require(event["data"]["kind"] == "misconfigured", f"unexpected kind of failure: {event['data']['kind']}")
        value = secrets.get_secret_value(SecretId=self.refused.secret)["SecretString"]
        require(value == before, "evercert changed a secret that does not belong to the stack")
        say("the foreign secret is unchanged: yes")

    def _written(self, issuers: dict[str, Any], certificates: list[dict[str, Any]]) -> str:
        path = self.folder / f"{certificates[-1]['name']}.yaml"
        content = {"version": "evercert/v1", "issuers": issuers, "certificates": certificates}
        path.write_text(json.dumps(content, indent=2))
        return str(path)
