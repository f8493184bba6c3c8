"""Settings of an Infisical issuer: server, login and profile."""

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
        raise ValueError(
            f"invalid address: must be https://, because credentials are sent to it: https://{str(origin)[7:]}"
        )
    return value


def _ca_bundle(value: str) -> str:
    """Validate the bundle before it is stored: a private key in it would end up in the table."""
    from evercert.http_client import trust  # noqa: PLC0415 (few issuers have one)

    if (message := trust.problem(value)) is not None:
        raise ValueError(message)
    return value


def _pending_for(value: timedelta) -> timedelta:
    if value > LONGEST_PENDING:
        raise ValueError(f"invalid duration: must be at most {LONGEST_PENDING.days}d")
    return value


def _of_login(error: ValidationError, kind: type[Model]) -> Iterator[tuple[Place, str]]:
    """Yield the place and message of each error, without the value, which may be a secret."""
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
                yield place, "write a reference, not the secret itself: {aws-secret: evercert/credentials/NAME}"
            case _:
                yield place, detail["msg"].removeprefix("Value error, ")


class InfisicalSettings(Model):
    """Settings of `type: infisical`; without a profile, the issuer can only follow certificates by certificate-id."""

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
            raise misplaced({("application",): "conflicts with project; set only one of them"})
        owner = self.project or self.application
        if (owner is None) != (self.profile is None):
            missing = "profile" if self.profile is None else "application"
            raise misplaced({(missing,): "set a profile together with its project or application"})
        return self

    @model_validator(mode="after")
    def _login_is_known(self) -> Self:
        if self.auth.type not in LOGINS.entries:
            known = ", ".join(sorted(LOGINS.entries))
            raise misplaced({("auth", "type"): f"unknown login type; known types: {known}"})
        kind = LOGINS.load(self.auth.type).Settings
        try:
            kind.model_validate(self.auth.settings)
        except ValidationError as error:
            raise misplaced(dict(_of_login(error, kind))) from None
        return self

    @property
    def identity(self) -> dict[str, Any]:
        """Return the settings that identify the issuer; login, retries and time limits are not among them."""
        organization = self.auth.settings.get("organization")
        return {
            "type": "infisical",
            "address": f"{Origin.of(self.address)}{path_of(self.address)}".removesuffix("/api"),
            "project": self.project,
            "application": self.application,
            "profile": self.profile,
            **({"organization": organization} if organization else {}),
        }
