"""Resources of issuers on the operator's machine."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

from evercert.canonical_json import canonical_json
from evercert.cli import terminal
from evercert.origins import Hosts, Origin

if TYPE_CHECKING:
    from evercert.cli.connection import Connection
    from evercert.documents.secret_reference import Credential
    from evercert.issuers.context import IssuerContext


def allowed_hosts(connection: Connection) -> Hosts:
    """Return the hosts that the stack may call, its own authority included."""
    own = connection.outputs.get("AuthorityAddress")
    authority = [] if own is None else [f"{Origin.of(own).host}:{Origin.of(own).port}"]
    return Hosts.of(",".join([connection.parameters.get("IssuerHosts", ""), *authority]))


def issuer_context(
    connection: Connection, attempt_limit: timedelta, credentials: Iterable[Credential] = ()
) -> IssuerContext:
    """Return the resources of issuers on this machine; the credentials need not be stored yet.

    The caller closes `http`.
    """
    from evercert.aws.credential_reader import Credentials  # noqa: PLC0415
    from evercert.deadline import Deadline  # noqa: PLC0415
    from evercert.http_client.client import HTTPClient  # noqa: PLC0415
    from evercert.issuers.context import IssuerContext  # noqa: PLC0415

    offered = {credential.name: canonical_json(credential.value) for credential in credentials}
    clients, now = connection.clients, terminal.now
    http = HTTPClient(
        allowed_hosts(connection),
        Deadline(now),
        now,
        lambda span: time.sleep(span.total_seconds()),
        local=True,  # a local stack uses loopback
        attempt_limit=attempt_limit,
    )
    return IssuerContext(http, Credentials(clients, offered), clients.session, now)
