"""An issuer outside of the authority, and the issuer function that asks it."""

from __future__ import annotations

from datetime import timedelta

import httpx
from cryptography import x509

from evercert.authority.ca.definition import Ceiling
from evercert.contracts.issuer import Issued, OpenIssuer, PendingAnswer, Request
from evercert.deadline import Deadline
from evercert.issuance.circuit_breaker import Breaker
from evercert.operations.external_requests import ExternalFulfillment
from evercert.pki.certificate import Chain
from tests.doubles.authority.authority import Setting
from tests.doubles.authority.external import FakeCeilings
from tests.doubles.fakes import FakeBreakers, FakeIssuers
from tests.doubles.scripted_ca import ScriptedCA, ScriptedIssuer
from tests.samples import chains

NAME = "outside"
LEASE = timedelta(seconds=90)
NARROW = Ceiling(dns=("*.example.com",), longest=timedelta(days=100))


class PublicIssuer(ScriptedIssuer):
    """Follows the script; its certificates come from an intermediate CA, and have names and key of the CSR only."""

    serial: int | None = None  # of the next certificates

    def __init__(self, settings: ScriptedIssuer.Settings, context: object = None) -> None:
        super().__init__(settings, context)
        self.root = chains.issue("root")
        self.intermediate = chains.issue("intermediate", self.root)

    def issue(self, request: Request) -> Issued | PendingAnswer:
        found = super().issue(request)
        if isinstance(found, PendingAnswer) or request.csr is None:
            return found
        csr = x509.load_pem_x509_csr(request.csr.encode())
        names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        leaf = chains.leaf(
            self.intermediate, extensions=[(names, False)], subject=csr.subject, serial=self.serial, key=_Public(csr)
        )
        sent = (leaf.certificate, self.intermediate.certificate, self.root.certificate)
        return Issued(Chain(sent), profiled=True)


class _Public:
    """The key of a CSR in the place of a private key."""

    def __init__(self, csr: x509.CertificateSigningRequest) -> None:
        self.public_key = csr.public_key


class Outside:
    """The issuer `outside` with a scripted CA; `ceiling` None closes it to profiles."""

    def __init__(
        self,
        setting: Setting,
        *script: str,
        ceiling: Ceiling | None = NARROW,
        kind: type[ScriptedIssuer] = ScriptedIssuer,
    ) -> None:
        self.ca = ScriptedCA(list(script))
        self.issuer = kind(kind.Settings(address="http://ca.example"))
        self.issuer._client = httpx.Client(base_url="http://ca.example", transport=self.ca.transport())
        self.issuers = FakeIssuers({NAME: OpenIssuer(self.issuer, "hash")})  # type: ignore[arg-type]
        self.ceilings = FakeCeilings(**({} if ceiling is None else {NAME: ceiling}))
        self.work = setting.external

        def sleep(span: timedelta) -> None:
            setting.clock.advance(seconds=span.total_seconds())

        self.fulfillment = ExternalFulfillment(
            setting.certificates,
            self.work,
            self.ceilings,
            self.issuers,
            Breaker(FakeBreakers(), setting.clock, sleep),
            Deadline(setting.clock),
            LEASE,
            setting.clock,
            sleep,
        )

    def deliver(self) -> list[str]:
        """Deliver the messages of the queue; return the outcomes."""
        woken, self.work.woken = self.work.woken, []
        return [self.fulfillment.run(request).outcome for request in woken]
