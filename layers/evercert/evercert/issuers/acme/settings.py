"""Settings of an ACME issuer: directory, account, solvers."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    StringConstraints,
    ValidationInfo,
    model_validator,
)

from evercert.canonical_json import digest
from evercert.contracts.order_buckets import OrderLimit
from evercert.documents.secret_reference import Reference
from evercert.durations import Duration, to_text
from evercert.errors import Misconfigured
from evercert.http_client.retry import Retry
from evercert.issuers.server_settings import Address, CABundle, PendingFor
from evercert.origins import Origin, dns_name, path_of
from evercert.pki.identifiers import parse
from evercert.registry import Component
from evercert.schema import NO_KEY, Model, is_key, misplaced, printable
from evercert.solvers import SOLVERS

MOST_SOLVERS, MOST_NAMES = 50, 200
STAGING_HOSTS = frozenset(
    {"acme-staging-v02.api.letsencrypt.org", "dv.acme-v02.test-api.pki.goog", "api.test4.buypass.no"}
)
LETS_ENCRYPT = "acme-v02.api.letsencrypt.org"
LETS_ENCRYPT_ORDERS = 300, timedelta(hours=3)
MOST_ORDERS, LONGEST_PERIOD = 100_000, timedelta(days=30)
AccountKeyAlgorithm = Literal["EC_prime256v1", "EC_secp384r1", "RSA_2048", "RSA_4096", "Ed25519"]
ALGORITHMS: tuple[AccountKeyAlgorithm, ...] = get_args(AccountKeyAlgorithm)
DEFAULT_KEY: AccountKeyAlgorithm = "EC_prime256v1"
_KMS_KEY = re.compile(r"arn:aws[a-z-]{0,20}:kms:[a-z0-9-]{1,30}:[0-9]{12}:key/[A-Za-z0-9-]{1,64}")


def _email(value: object) -> object:
    text = value.removeprefix("mailto:") if isinstance(value, str) else value
    if isinstance(text, str) and (":" in text or parse(f"email:{text}").kind != "email" or "?" in text):
        raise ValueError(f"{printable(text, 100)!r} is not one e-mail address, such as ops@example.com")
    return text


def _account_key(value: object) -> object:
    if isinstance(value, str) and value not in ALGORITHMS and not _KMS_KEY.fullmatch(value):
        names = ", ".join(map(repr, ALGORITHMS))
        raise ValueError(f"must be one of {names}, or the ARN of a KMS key, such as arn:aws:kms:…:key/…, and no alias")
    return value


def _zone(value: object) -> object:
    return dns_name(value.strip("."), wildcard=False) if isinstance(value, str) else value


def _without_secret(value: object) -> object:
    """Refuse keys and values that may be the secret itself, before a message quotes them."""
    if isinstance(value, dict):
        reference = value.get("hmac-key")
        if not all(map(is_key, [*value, *(reference if isinstance(reference, dict) else ())])):
            raise ValueError(NO_KEY)
        if isinstance(reference, str):
            raise ValueError("write a reference, not the secret itself: {aws-secret: evercert/credentials/NAME}")
    return value


def _name(value: object) -> object:
    return dns_name(value) if isinstance(value, str) else value


def _limit(at_most: int, per: timedelta) -> OrderLimit:
    """Return the bucket for this limit of a CA.

    It holds one token less than the CA allows: orders may reach the CA closer to each other than their tokens.
    """
    return OrderLimit(max(at_most - 1, 1), per / at_most)


def _period(value: timedelta) -> timedelta:
    if value > LONGEST_PERIOD:
        raise ValueError(f"must be at most {to_text(LONGEST_PERIOD)}")
    return value


class ExternalAccount(Model):
    """The CA's key of an external account (RFC 8555 §7.3.4)."""

    key_id: Annotated[str, StringConstraints(pattern=r"^[!-~]{1,500}$")]
    hmac_key: Reference
    algorithm: Literal["HS256", "HS384", "HS512"] = "HS256"


class SolverChoice(Component):
    """A solver with its settings, and the names that it is for; without names and zones, it is for all other names."""

    model_config = ConfigDict(frozen=True, extra="allow")

    names: Annotated[tuple[Annotated[str, BeforeValidator(_name)], ...], Field(max_length=MOST_NAMES)] = ()
    zones: Annotated[tuple[Annotated[str, BeforeValidator(_zone)], ...], Field(max_length=MOST_NAMES)] = ()

    def precision(self, name: str) -> int | None:
        """Return how precisely the solver matches the name, or None if it does not.

        A name beats every zone, and a longer zone a shorter one. A zone contains its own name and all names below it.
        """
        if name in self.names:
            return 1_000
        base = name.removeprefix("*.")
        fitting = [len(zone) for zone in self.zones if base == zone or base.endswith(f".{zone}")]
        if fitting:
            return max(fitting)
        return None if self.names or self.zones else 0


class OrderRate(Model):
    """The CA's limit of new orders of one account."""

    at_most: Annotated[int, Field(strict=True, ge=1, le=MOST_ORDERS)]
    per: Annotated[Duration, AfterValidator(_period)]


class AcmeSettings(Model):
    """Settings of `type: acme`."""

    directory: Address
    email: Annotated[str, BeforeValidator(_email)] | None = None
    external_account: Annotated[ExternalAccount | None, BeforeValidator(_without_secret)] = None
    account_key: Annotated[str, BeforeValidator(_account_key)] = DEFAULT_KEY
    profile: Annotated[str, StringConstraints(pattern=r"^[!-~]{1,100}$")] | None = None
    preferred_chain: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    solvers: Annotated[tuple[SolverChoice, ...], Field(min_length=1, max_length=MOST_SOLVERS)]
    ca_bundle: CABundle | None = None
    retry: Retry = Retry()
    pending_for: PendingFor = timedelta(days=7)
    orders: OrderRate | None = None  # None: the known limit of the directory, if any
    staging: bool | None = None  # None: whether the directory is a known one for staging
    _name: str = PrivateAttr("")

    @model_validator(mode="after")
    def _keep_name(self, info: ValidationInfo) -> Self:
        self._name = (info.context or {}).get("issuer", "")
        return self

    @model_validator(mode="after")
    def _solvers_are_valid(self) -> Self:
        for number, choice in enumerate(self.solvers):
            try:
                SOLVERS.settings(Component.model_validate({"type": choice.type, **choice.settings}))
            except Misconfigured as error:
                raise misplaced({("solvers", number): str(error)}) from None
        return self

    @property
    def is_staging(self) -> bool:
        """Whether the issuer is for staging: clients trust none of its certificates."""
        return Origin.of(self.directory).host in STAGING_HOSTS if self.staging is None else self.staging

    @property
    def order_limit(self) -> OrderLimit | None:
        """The bucket of the account's new orders; None if nothing limits them."""
        if self.orders is not None:
            return _limit(self.orders.at_most, self.orders.per)
        return _limit(*LETS_ENCRYPT_ORDERS) if Origin.of(self.directory).host == LETS_ENCRYPT else None

    @property
    def contact(self) -> tuple[str, ...]:
        """The contact URLs of the account."""
        return () if self.email is None else (f"mailto:{self.email}",)

    @property
    def identity(self) -> dict[str, Any]:
        """Return the settings that identify the issuer; contact, solvers, chain and time limits are not among them."""
        return {
            "type": "acme",
            "directory": f"{Origin.of(self.directory)}{path_of(self.directory)}",
            **({"profile": self.profile} if self.profile else {}),
        }

    @property
    def account_identity(self) -> dict[str, Any]:
        """Return the settings that identify the account: all issuers with the same ones share it.

        The algorithm or KMS key is among them: a CA may refuse a key, which is stored before its registration.
        """
        external = self.external_account
        return {
            "directory": self.identity["directory"],
            **({"external-account": external.key_id} if external is not None else {}),
            **({"account-key": self.account_key} if self.account_key != DEFAULT_KEY else {}),
        }

    @property
    def account_id(self) -> str:
        """The id under which the account is stored."""
        return digest(self.account_identity)[:32]

    @property
    def kms_key(self) -> str | None:
        """The ARN of the account key; None if evercert generates and seals it."""
        return None if self.account_key in ALGORITHMS else self.account_key

    @property
    def key_algorithm(self) -> AccountKeyAlgorithm:
        """The algorithm of a generated account key."""
        return next((name for name in ALGORITHMS if name == self.account_key), DEFAULT_KEY)

    @property
    def name(self) -> str:
        """The name of the issuer, which tells issuers of one account apart; empty outside of the issuer function."""
        return self._name

    def solver_for(self, name: str) -> SolverChoice | None:
        """Return the most precise solver for the name, the first of several; None if none matches."""
        fitting = [choice for choice in self.solvers if choice.precision(name) is not None]
        return max(fitting, key=lambda choice: choice.precision(name) or 0, default=None)
