"""Parse the logins and grants of identities from command-line options."""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Any, get_args
from uuid import uuid4

from evercert import durations
from evercert.cli import arguments, terminal
from evercert.cli.authority.arguments import project_errors, unknown_profile
from evercert.cli.files import BadInput
from evercert.schema import printable

if TYPE_CHECKING:
    from evercert.authority.configuration.identity import ClientSecret, Grant, UniversalLogin
    from evercert.aws.authority.configuration_writer import ConfigurationWriter

_PROFILE = re.compile(r"\*|[a-z0-9-]{1,255}/(?:[a-z0-9-]{1,255}|\*)")
SECRET_BYTES = 32
# Bounds of the Infisical API.
_LOCKED = (timedelta(seconds=30), timedelta(days=1))
_COUNTED = (timedelta(seconds=5), timedelta(hours=1))


def create_secret(ttl: str | None, uses: int) -> tuple[str, Any]:
    """Return a new client secret, and its record, which holds only a hash."""
    from evercert.authority.configuration.identity import ClientSecret  # noqa: PLC0415

    text, now = secrets.token_urlsafe(SECRET_BYTES), terminal.now()
    life: timedelta | None = None if ttl is None else arguments.span(ttl, "--secret-ttl")
    digest = hashlib.sha256(text.encode()).hexdigest()
    values = {"id": str(uuid4()), "digest": digest, "created-at": now, "expires-at": life and now + life, "uses": uses}
    return text, ClientSecret.model_validate(values)


def parse_lockout(failures: int, duration: str, window: str) -> dict[str, Any]:
    """Return the lockout settings; raise BadInput if a duration is out of range."""
    found = {"duration": arguments.span(duration, "--lockout"), "window": arguments.span(window, "--lockout-window")}
    for name, option, (least, most) in (
        ("duration", "--lockout", _LOCKED),
        ("window", "--lockout-window", _COUNTED),
    ):
        if not least <= found[name] <= most:
            raise BadInput([f"{option}: must be from {durations.to_text(least)} to {durations.to_text(most)}"])
    return {"failures": failures, **found}


def universal_login(secret: ClientSecret, lockout: dict[str, Any]) -> UniversalLogin:
    """Return a login with a new client ID and one secret."""
    from evercert.authority.configuration.identity import UniversalLogin  # noqa: PLC0415

    return UniversalLogin.model_validate({"client-id": str(uuid4()), "secrets": [secret], **lockout})


def parse_principals(arns: list[str]) -> list[str]:
    """Return the ARNs of `--aws-role` without duplicates."""
    from evercert.authority.configuration.principals import principal_problem  # noqa: PLC0415

    found = ((arn, principal_problem(arn)) for arn in arns)
    errors = [f"--aws-role {printable(arn, 120)}: {problem}" for arn, problem in found if problem is not None]
    if errors:
        raise BadInput(errors)
    return list(dict.fromkeys(arns))


def parse_grants(
    configuration: ConfigurationWriter, profiles: list[str] | None, permissions: list[str] | None
) -> tuple[Grant, ...]:
    """Return one grant per `--profile` with all permissions; raise BadInput for unknown profiles."""
    from evercert.authority.configuration.identity import Grant, Permission  # noqa: PLC0415

    if permissions and not profiles:
        raise BadInput(["no profiles given: add --profile project/slug, or --profile '*' for all"])
    known = get_args(Permission)
    errors = [
        f"--permission {printable(word, 60)}: write one of {', '.join(known)}"
        for word in permissions or ()
        if word not in known
    ]
    existing = {profile.key for profile in configuration.profiles()} if profiles else set()
    projects = set(configuration.projects().values()) if profiles else set()
    for key in profiles or ():
        if not _PROFILE.fullmatch(key):
            errors.append(f"--profile {printable(key, 140)}: write project/slug, project/*, or * for all")
        elif key.endswith("/*"):
            errors += project_errors(key.removesuffix("/*"), projects)
        elif key != "*" and key not in existing:
            errors.append(unknown_profile(key, existing))
    if errors:
        raise BadInput(errors)
    chosen = [word for word in known if word in (permissions or ["request"])]
    return tuple(Grant.model_validate({"profile": key, "permissions": chosen}) for key in dict.fromkeys(profiles or ()))
