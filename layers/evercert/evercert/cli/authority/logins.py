"""What identities are given to log in with, and what they may do then."""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Any, get_args
from uuid import uuid4

from evercert import durations
from evercert.cli import arguments, terminal
from evercert.cli.authority.arguments import no_profile
from evercert.cli.files import BadInput
from evercert.schema import printable

if TYPE_CHECKING:
    from evercert.authority.configuration.identity import ClientSecret, Grant, UniversalLogin
    from evercert.aws.authority.configuration_writer import AuthorityEstate

_PRINCIPAL = re.compile(
    r"arn:(aws|aws-us-gov|aws-cn):(iam|sts)::([0-9]{12}):(role|user|assumed-role)/[\w+=,.@*/-]{1,512}"
)
_BELOW_A_PATH = re.compile(r":role/(?=.*/).*\*")
_PROFILE = re.compile(r"\*|[a-z0-9-]{1,255}/[a-z0-9-]{1,255}")
SECRET_BYTES = 32
_LOCKED = (timedelta(seconds=30), timedelta(days=1))  # contract §A.6
_COUNTED = (timedelta(seconds=5), timedelta(hours=1))


def secret(ttl: str | None, uses: int) -> tuple[str, Any]:
    """A new one, and what is kept of it."""
    from evercert.authority.configuration.identity import ClientSecret  # noqa: PLC0415

    text, now = secrets.token_urlsafe(SECRET_BYTES), terminal.now()
    life: timedelta | None = None if ttl is None else arguments.span(ttl, "--secret-ttl")
    digest = hashlib.sha256(text.encode()).hexdigest()
    values = {"id": str(uuid4()), "digest": digest, "created-at": now, "expires-at": life and now + life, "uses": uses}
    return text, ClientSecret.model_validate(values)


def lockout(failures: int, duration: str, window: str) -> dict[str, Any]:
    """What `--lockout-failures` and its like say."""
    found = {"duration": arguments.span(duration, "--lockout"), "window": arguments.span(window, "--lockout-window")}
    for name, option, (least, most) in (
        ("duration", "--lockout", _LOCKED),
        ("window", "--lockout-window", _COUNTED),
    ):
        if not least <= found[name] <= most:
            raise BadInput([f"{option}: from {durations.to_text(least)} to {durations.to_text(most)}"])
    return {"failures": failures, **found}


def universal(kept: ClientSecret, locks: dict[str, Any]) -> UniversalLogin:
    """A client id of its own, with one secret."""
    from evercert.authority.configuration.identity import UniversalLogin  # noqa: PLC0415

    return UniversalLogin.model_validate({"client-id": str(uuid4()), "secrets": [kept], **locks})


def principals(arns: list[str]) -> list[str]:
    """What `--aws-role` says."""
    wrong = []
    for arn in arns:
        if not _PRINCIPAL.fullmatch(arn):
            wrong.append(f"--aws-role {printable(arn, 120)}: write arn:aws:iam::ACCOUNT:role/NAME")
        elif _BELOW_A_PATH.search(arn):
            wrong.append(
                f"--aws-role {arn}: AWS names no path when a role logs in, so that nobody is meant; name each role"
            )
    if wrong:
        raise BadInput(wrong)
    return list(dict.fromkeys(arns))


def grants(estate: AuthorityEstate, profiles: list[str] | None, permissions: list[str] | None) -> tuple[Grant, ...]:
    """What `--profile` and `--permission` say together; profiles that there are not are mistakes."""
    from evercert.authority.configuration.identity import Grant, Permission  # noqa: PLC0415

    if permissions and not profiles:
        raise BadInput(["with which profiles? Give --profile project/slug, or --profile '*'"])
    known = get_args(Permission)
    wrong = [
        f"--permission {printable(word, 60)}: one of {', '.join(known)}"
        for word in permissions or ()
        if word not in known
    ]
    there = {profile.key for profile in estate.profiles()} if profiles else set()
    for key in profiles or ():
        if not _PROFILE.fullmatch(key):
            wrong.append(f"--profile {printable(key, 140)}: write project/slug, or * for all")
        elif key != "*" and key not in there:
            wrong.append(no_profile(key, there))
    if wrong:
        raise BadInput(wrong)
    chosen = [word for word in known if word in (permissions or ["request"])]
    return tuple(Grant.model_validate({"profile": key, "permissions": chosen}) for key in dict.fromkeys(profiles or ()))
