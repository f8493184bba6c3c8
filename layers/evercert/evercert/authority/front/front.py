"""The front of the authority, put together from its ports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from evercert.authority.front.crl_publishing import CrlPublishing
from evercert.authority.front.enrollment import Enrollment
from evercert.authority.front.listing import Listing
from evercert.authority.front.making import Making
from evercert.authority.front.naming import Naming
from evercert.authority.front.progress import Progress
from evercert.authority.front.published import Published
from evercert.authority.front.reading import Reading
from evercert.authority.front.renewals import Renewals
from evercert.authority.front.revocation import Revocation
from evercert.authority.front.seeing import Seeing
from evercert.authority.logins.aws_login import AWSAuth
from evercert.authority.logins.aws_proof import Rules
from evercert.authority.logins.logging_in import LoggingIn
from evercert.authority.logins.tokens import AccessTokens
from evercert.authority.logins.universal import UniversalAuth
from evercert.authority.ports import Certificates, Configuration, KeySeal, Signer, Sts, Tokens


@dataclass(frozen=True)
class FrontPorts:
    """Everything that the front needs of the world; `address` is the origin that clients know it by."""

    configuration: Configuration
    certificates: Certificates
    tokens: Tokens
    signer: Signer
    seal: KeySeal
    sts: Sts
    clock: Callable[[], datetime]
    stack: str
    address: str
    sts_regions: tuple[str, ...]


class Front:
    """What routes call."""

    def __init__(self, ports: FrontPorts) -> None:
        configuration, certificates, clock = ports.configuration, ports.certificates, ports.clock
        seeing = Seeing(configuration, certificates)
        making = Making(configuration, certificates, ports.seal, clock)
        progress = Progress(configuration, certificates, ports.signer, ports.seal, clock)
        rules = Rules.of(ports.sts_regions, ports.address)
        self.address = ports.address
        self.access_tokens = AccessTokens(ports.tokens, configuration, clock)
        self.logging_in = LoggingIn(
            self.access_tokens,
            UniversalAuth(configuration, ports.tokens, clock),
            AWSAuth(configuration, ports.tokens, ports.sts, rules, clock),
        )
        self.naming = Naming(configuration, seeing, ports.stack)
        self.enrollment = Enrollment(configuration, certificates, seeing, self.naming, making, progress, ports.seal)
        self.renewals = Renewals(configuration, certificates, seeing, making, progress, ports.seal, clock)
        self.reading = Reading(configuration, certificates, seeing, progress, ports.seal, clock)
        self.listing = Listing(certificates, seeing, ports.stack, clock)
        self.crl_publishing = CrlPublishing(configuration, certificates, ports.signer, clock)
        self.revocation = Revocation(certificates, seeing, self.crl_publishing, clock)
        self.published = Published(configuration, certificates)
