"""Bodies of calls that manage the logins of identities, with the limits of the Infisical API."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from evercert.authority.requests.attribute_fields import Body

_Seconds = Annotated[int, Field(ge=0, le=315_360_000)]  # 0: as long as possible
_Texts = Annotated[str, Field(max_length=4096)]


class _IpBody(Body):
    ip_address: str


class TokenBody(Body):
    """The settings of access tokens; `None` leaves a setting unchanged."""

    access_token_ttl: Annotated[_Seconds | None, Field(alias="accessTokenTTL")] = None
    access_token_max_ttl: Annotated[_Seconds | None, Field(alias="accessTokenMaxTTL")] = None
    access_token_num_uses_limit: Annotated[int, Field(ge=0, le=1_000_000_000)] | None = None
    access_token_trusted_ips: list[_IpBody] | None = None


class UniversalAuthBody(TokenBody):
    """The settings of universal auth."""

    client_secret_trusted_ips: list[_IpBody] | None = None
    lockout_enabled: bool | None = None
    lockout_threshold: Annotated[int, Field(ge=1, le=30)] | None = None
    lockout_duration_seconds: Annotated[int, Field(ge=30, le=86_400)] | None = None
    lockout_counter_reset_seconds: Annotated[int, Field(ge=5, le=3_600)] | None = None


class AwsAuthBody(TokenBody):
    """The settings of AWS auth; both lists are separated by commas."""

    allowed_principal_arns: _Texts | None = None
    allowed_account_ids: _Texts | None = None
    sts_endpoint: _Texts | None = None


class SecretBody(Body):
    """The settings of a client secret; 0 means without a limit."""

    description: Annotated[str, Field(max_length=255)] = ""
    ttl: Annotated[int, Field(ge=0, le=315_360_000)] = 0
    num_uses_limit: Annotated[int, Field(ge=0, le=1_000_000_000)] = 0
