"""What issuers are given: the web, credentials, an identity in AWS, and logins that all of them share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evercert.canonical_json import digest
from evercert.issuers.infisical.logins import LOGINS
from evercert.issuers.infisical.session import Session

if TYPE_CHECKING:
    import boto3

    from evercert.aws.secret_reader import Credentials
    from evercert.aws.session import Session as AWSSession
    from evercert.deadline import Clock
    from evercert.http_client.client import Web
    from evercert.http_client.retry import Retry
    from evercert.issuers.infisical.logins import Auth


@dataclass(frozen=True)
class Outside:
    """The world around the issuers of one process."""

    web: Web
    credentials: Credentials
    aws: AWSSession | boto3.Session  # whose credentials sign a login
    clock: Clock
    sessions: dict[str, Session] = field(default_factory=dict, repr=False)

    def session(self, address: str, auth: Auth, *, retry: Retry | None = None, ca_bundle: str | None = None) -> Session:
        """One for each address and `auth`, and so one login; asks nobody. Raises Misconfigured."""
        server = self.web.server(address, retry=retry, ca_bundle=ca_bundle)
        settings = auth.model_dump(mode="json", by_alias=True)
        how = None if retry is None else retry.model_dump(mode="json")
        key = digest([str(server.origin), server.base, settings, how, ca_bundle])
        if key not in self.sessions:
            login = LOGINS.load(auth.type)(LOGINS.settings(auth), self)
            self.sessions[key] = Session(server, login, self.clock)
        return self.sessions[key]
