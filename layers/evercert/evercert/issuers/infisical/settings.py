"""Settings of an Infisical issuer: server, login and profile."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any, Self

from pydantic import ValidationError, model_validator

from evercert.http_client.retry import Retry
from evercert.issuers.infisical.logins import LOGINS, Auth
from evercert.issuers.server_settings import Address, CABundle, PendingFor
from evercert.origins import Origin, path_of
from evercert.schema import NO_KEY, Model, Place, is_key, misplaced, nearest, text_of

HOSTED = "https://app.infisical.com"
Slug = Annotated[str, text_of(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,254}", "a name has 1 to 255 letters, digits and . _ -")]


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

    address: Address = HOSTED
    project: Slug | None = None
    application: Slug | None = None
    profile: Slug | None = None
    auth: Auth
    retry: Retry = Retry()
    ca_bundle: CABundle | None = None
    pending_for: PendingFor = timedelta(days=7)

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
