"""What an Infisical issuer is: where, as whom, with which profile."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from evercert.durations import Duration
from evercert.errors import EvercertError
from evercert.http_client.retry import Retry
from evercert.issuers.infisical.logins import LOGINS, Auth
from evercert.origins import Origin, path_of
from evercert.schema import NO_KEY, Model, Place, is_key, misplaced, nearest, text_of

HOSTED = "https://app.infisical.com"
LONGEST_PENDING = timedelta(days=30)
Slug = Annotated[str, text_of(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,254}", "a name has 1 to 255 letters, digits and . _ -")]


def _address(value: str) -> str:
    try:
        origin = Origin.of(value)
        path_of(value)
    except EvercertError as error:
        raise ValueError(str(error)) from None
    if origin.scheme != "https" and not origin.is_loopback:
        raise ValueError(f"only https:// is spoken, because credentials go there: https://{str(origin)[7:]}")
    return value


def _ca_bundle(value: str) -> str:
    """Looked at before it is stored: a private key in it would stand in the table."""
    from evercert.http_client import trust  # noqa: PLC0415 (few issuers have one)

    if (wrong := trust.problem(value)) is not None:
        raise ValueError(wrong)
    return value


def _pending_for(value: timedelta) -> timedelta:
    if value > LONGEST_PENDING:
        raise ValueError(f"a request waits for {LONGEST_PENDING.days}d at the most")
    return value


def _of_login(error: ValidationError, kind: type[Model]) -> Iterator[tuple[Place, str]]:
    """Each mistake with its place; never with what was written there, which may be a secret."""
    for detail in error.errors(include_url=False, include_input=False):
        place: Place = ("auth", *detail["loc"])
        match detail["type"]:
            case "extra_forbidden":
                known = [field.alias or name for name, field in kind.model_fields.items()]
                if is_key(place[-1]):
                    yield place, f"unknown key{nearest(str(place[-1]), known)}"
                else:
                    yield place[:-1], NO_KEY
            case "missing":
                yield place[:-1], f"the key {place[-1]!r} is missing"
            case "model_type":
                yield place, "write where it is, and not the secret itself: {aws-secret: evercert/credentials/NAME}"
            case _:
                yield place, detail["msg"].removeprefix("Value error, ")


class InfisicalSettings(Model):
    """Of `type: infisical`; without project, application and profile only certificates with an id can be followed."""

    address: Annotated[str, AfterValidator(_address)] = HOSTED
    project: Slug | None = None
    application: Slug | None = None
    profile: Slug | None = None
    auth: Auth
    retry: Retry = Retry()
    ca_bundle: Annotated[str, Field(max_length=65_536), AfterValidator(_ca_bundle)] | None = None
    pending_for: Annotated[Duration, AfterValidator(_pending_for)] = timedelta(days=7)

    @model_validator(mode="after")
    def _names_one_profile(self) -> Self:
        if self.project is not None and self.application is not None:
            raise misplaced({("application",): "a profile is of a project or of an application; give one of them"})
        owner = self.project or self.application
        if (owner is None) != (self.profile is None):
            lacking = "profile" if self.profile is None else "application"
            raise misplaced({(lacking,): "a profile is named together with its project or application"})
        return self

    @model_validator(mode="after")
    def _login_is_known(self) -> Self:
        if self.auth.type not in LOGINS.entries:
            known = ", ".join(sorted(LOGINS.entries))
            raise misplaced({("auth", "type"): f"there is no login of this type (known: {known})"})
        kind = LOGINS.load(self.auth.type).Settings
        try:
            kind.model_validate(self.auth.settings)
        except ValidationError as error:
            raise misplaced(dict(_of_login(error, kind))) from None
        return self

    @property
    def identity(self) -> dict[str, Any]:
        """What makes it another issuer: not how it logs in, and not how patient it is."""
        organization = self.auth.settings.get("organization")
        return {
            "type": "infisical",
            "address": f"{Origin.of(self.address)}{path_of(self.address)}".removesuffix("/api"),
            "project": self.project,
            "application": self.application,
            "profile": self.profile,
            **({"organization": organization} if organization else {}),
        }
