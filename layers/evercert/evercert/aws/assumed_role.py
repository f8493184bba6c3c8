"""Credentials of a role in another account, which the issuer assumes with the stack id as external id."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from evercert.aws.clients import translated
from evercert.aws.tags import Owner

if TYPE_CHECKING:
    from evercert.aws.clients import Clients

MAX_SESSION_NAME = 64


def credentials_of(clients: Clients, role: str, stack_id: str, listed: str) -> Callable[[], dict[str, str]]:
    """Return a function that assumes the role; `listed` names the parameter of the template that must list it."""

    def assume() -> dict[str, str]:
        fix = f"{listed}, and it must trust the issuer function's role with the stack's id"
        with translated(f"assume role {role} ({fix} as external id)"):
            found = clients.sts.assume_role(
                RoleArn=role,
                RoleSessionName=f"evercert-{Owner.of(stack_id).stack}"[:MAX_SESSION_NAME],
                ExternalId=stack_id,
                DurationSeconds=3_600,
            )["Credentials"]
        return {
            "access_key": found["AccessKeyId"],
            "secret_key": found["SecretAccessKey"],
            "token": found["SessionToken"],
            "expiry_time": found["Expiration"].isoformat(),
        }

    return assume


def fetch_credentials_first(clients: Clients) -> None:
    """Fetch credentials before the deadline check of a call; botocore fetches them later, while it signs."""
    clients.session.events.register_first("before-call", lambda **_: _have_credentials(clients))


def _have_credentials(clients: Clients) -> None:
    credentials = clients.session.get_credentials()
    if credentials is not None:
        credentials.get_frozen_credentials()
