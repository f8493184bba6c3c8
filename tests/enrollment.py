"""An Infisical server, evercert's issuer for one of its profiles, and the loop on fakes around both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

from evercert.aws.outside import Outside
from evercert.errors import Misconfigured
from evercert.issuer import OpenIssuer
from evercert.issuers import ISSUERS
from evercert.issuers.infisical import Infisical
from evercert.origins import Hosts
from evercert.references import Reference
from evercert.spec import Component, Spec
from evercert.web.server import Web
from tests.fakes import Bench, spec
from tests.infisical.server import Infisical as Server

SECRET = "evercert/credentials/infisical"


@dataclass
class Kept:
    """Credentials in a dictionary, by the name of their secret."""

    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    reads: int = 0

    def read(self, reference: Reference, address: str, *, key: str | None = None) -> Any:
        self.reads += 1
        if reference.name not in self.values:
            raise Misconfigured(f"{reference} does not exist in this region; create it")
        value = dict(self.values[reference.name])
        wanted = reference.key or key
        return value if wanted is None else value[wanted]


class Enrollment:
    """One server, one profile of an application and of a project, one identity; `bench` is the loop."""

    def __init__(self, server: Server, bench: Bench, **profile: Any) -> None:
        self.server, self.bench = server, bench
        self.identity = server.estate.identity()
        self.secret = self.identity.new_client_secret(bench.clock())
        self.kept = Kept({SECRET: {"client-id": self.identity.client_id, "client-secret": self.secret}})
        self.profile = server.estate.profile("tls-server", "shop", server.authority, **profile)
        self.application = server.estate.application("shop-app", "shop", self.profile)
        self.webs: list[Web] = []
        self.define()

    def outside(self) -> Outside:
        """A new process: nothing of what was asked for is kept."""
        web = Web(
            Hosts.of(""),
            self.bench.deadline,
            self.bench.clock,
            lambda span: self.bench.clock.advance(seconds=span.total_seconds()),
            local=True,
            attempt_limit=timedelta(seconds=2),
        )
        self.webs.append(web)
        return Outside(web, self.kept, None, self.bench.clock)

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
        """The issuer that specs name, opened by a new process."""
        definition = self.definition(**changes)
        settings = ISSUERS.settings(definition)
        issuer = Infisical(settings, self.outside)
        self.bench.issuers.known["main"] = OpenIssuer(issuer, ISSUERS.identity_hash(definition))
        return issuer

    def want(self, **changes: Any) -> Spec:
        wanted = spec(**changes)
        self.bench.want(wanted)
        return wanted

    def run(self) -> str:
        return self.bench.run()

    def later(self) -> str:
        """The next run, when it is due."""
        self.bench.clock.now = max(self.bench.clock(), self.bench.record().due_at)
        return self.bench.run()

    @property
    def error(self) -> str:
        error = self.bench.record().last_error
        return "" if error is None else error.message


Enrolled = TypeVar("Enrolled", bound=Enrollment)


@contextmanager
def enrolled(kind: type[Enrolled] = Enrollment, **profile: Any) -> Iterator[Enrolled]:  # type: ignore[assignment]
    """Everything, started."""
    bench = Bench()
    with Server(clock=bench.clock, tls=False) as server:
        enrollment = kind(server, bench, **profile)
        try:
            yield enrollment
        finally:
            for web in enrollment.webs:
                web.close()
