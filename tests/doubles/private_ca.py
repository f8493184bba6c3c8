"""An issuer for the double of AWS Private CA, and requests to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from evercert.contracts.issuer import Issued, Request
from evercert.documents.spec import Spec
from evercert.issuers import ISSUERS
from evercert.issuers.aws_private_ca.issuer import AWSPrivateCA
from evercert.issuers.context import IssuerContext
from evercert.pki.keys import PrivateKey
from evercert.registry import Component
from tests.doubles.fakes import START, HandClock, spec
from tests.doubles.strict_private_ca import StrictPrivateCA

KEY = PrivateKey.generate("EC_prime256v1")
MOST_POLLS = 30
TOKEN = "0b0f9c8e-2f0b-5c53-8a40-5c1f4b0c7a11"


class PrivateCABench:
    """A CA with the settings of `authority`, the issuer for it, and requests at the time of its clock."""

    def __init__(self, polls: int = 1, **authority: Any) -> None:
        self.clock = HandClock(START)
        self.aws = StrictPrivateCA(self.clock, polls)
        self.arn = self.aws.create_authority(**authority)
        self.regions: list[str] = []

    @property
    def context(self) -> IssuerContext:
        def client_in(region: str) -> StrictPrivateCA:
            self.regions.append(region)
            return self.aws

        return IssuerContext(None, None, None, self.clock, private_ca=client_in)  # type: ignore[arg-type]

    def settings(self, **settings: Any) -> Any:
        return ISSUERS.settings(Component.model_validate({"type": "aws-private-ca", "arn": self.arn, **settings}))

    def open(self, **settings: Any) -> AWSPrivateCA:
        return AWSPrivateCA(self.settings(**settings), lambda: self.context)

    def request(
        self, *, key: PrivateKey = KEY, token: str = TOKEN, handle: str | None = None, **changes: Any
    ) -> Request:
        wanted = spec(**changes)
        return self.request_for(wanted, key.sign_csr(wanted.attributes), token=token, handle=handle)

    def request_for(self, wanted: Spec, csr: str | None, *, token: str = TOKEN, handle: str | None = None) -> Request:
        return Request("web", wanted, csr, 1, token, self.clock(), handle)

    def finish(self, issuer: AWSPrivateCA, request: Request) -> Issued:
        """Poll as the core does until the certificate is there."""
        answer = issuer.issue(request)
        for _ in range(MOST_POLLS):
            if isinstance(answer, Issued):
                return answer
            self.clock.now = answer.retry_at
            answer = issuer.issue(replace(request, now=self.clock(), handle=answer.handle))
        raise AssertionError("never issued")
