"""An Infisical server, an issuer for one of its profiles, and a test bench around both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

from evercert.contracts.issuer import OpenIssuer
from evercert.documents.spec import Component, Spec
from evercert.http_client.client import HTTPClient
from evercert.issuers import ISSUERS
from evercert.issuers.context import IssuerContext
from evercert.issuers.infisical.issuer import Infisical
from evercert.origins import Hosts
from tests.doubles.credential_reader import Vault
from tests.doubles.fakes import Bench, spec
from tests.doubles.infisical.server import Infisical as Server

SECRET = "evercert/credentials/infisical"


class Enrollment:
    """One server, one profile of an application and of a project, one identity; `bench` runs the loop."""

    def __init__(self, server: Server, bench: Bench, **profile: Any) -> None:
        self.server, self.bench = server, bench
        self.identity = server.estate.identity()
        self.secret = self.identity.new_client_secret(bench.clock())
        self.vault = Vault()
        self.keep(self.secret)
        self.profile = server.estate.profile("tls-server", "shop", server.authority, **profile)
        self.application = server.estate.application("shop-app", "shop", self.profile)
        self.http_clients: list[HTTPClient] = []
        self.define()

    def keep(self, client_secret: str) -> None:
        """Store the credentials of this server, as an operator does."""
        login = {"client-id": self.identity.client_id, "client-secret": client_secret}
        self.vault.store(SECRET, {"address": self.server.address, **login})

    def context(self) -> IssuerContext:
        """Build the context of a new process, with no cached state."""
        http = HTTPClient(
            Hosts.of(""),
            self.bench.deadline,
            self.bench.clock,
            lambda span: self.bench.clock.advance(seconds=span.total_seconds()),
            local=True,
            attempt_limit=timedelta(seconds=2),
        )
        self.http_clients.append(http)
        return IssuerContext(http, self.vault.credentials, None, self.bench.clock)

    def definition(self, **changes: Any) -> Component:
        settings = {
            "type": "infisical",
            "address": self.server.address,
            "application": "shop-app",
            "profile": "tls-server",
            "auth": {"type": "universal-auth", "credentials": {"aws-secret": SECRET}},
            **changes,
        }
        return Component.model_validate({key: value for key, value in settings.items() if value is not None})

    def define(self, **changes: Any) -> Infisical:
        """Define the issuer `main` and open it in a new process."""
        definition = self.definition(**changes)
        settings = ISSUERS.settings(definition)
        issuer = Infisical(settings, self.context)
        self.bench.issuers.known["main"] = OpenIssuer(issuer, ISSUERS.identity_hash(definition))
        return issuer

    def want(self, **changes: Any) -> Spec:
        wanted = spec(**changes)
        self.bench.want(wanted)
        return wanted

    def run(self) -> str:
        return self.bench.run()

    def later(self) -> str:
        """Run again at the due time."""
        self.bench.clock.now = max(self.bench.clock(), self.bench.record().due_at)
        return self.bench.run()

    @property
    def error(self) -> str:
        error = self.bench.record().last_error
        return "" if error is None else error.message


Enrolled = TypeVar("Enrolled", bound=Enrollment)


@contextmanager
def enrolled(kind: type[Enrolled] = Enrollment, **profile: Any) -> Iterator[Enrolled]:  # type: ignore[assignment]
    """Start the server and yield the enrollment."""
    bench = Bench()
    with Server(clock=bench.clock, tls=False) as server:
        enrollment = kind(server, bench, **profile)
        try:
            yield enrollment
        finally:
            for http in enrollment.http_clients:
                http.close()
