"""Consumers of certificates, and what they say that they have loaded: data of hosts, bounded and checked when read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Protocol

from pydantic import Field, StringConstraints

from evercert.contracts.record_part import Count, Part
from evercert.documents.spec import CertificateName
from evercert.schema import Instant

MOST_CONSUMERS = 500  # of one certificate that are read
KEPT = timedelta(days=30)  # after the last acknowledgement


class Acknowledgement(Part):
    """Acknowledgement of one consumer: what it has loaded of one certificate.

    `consumer` is the unique id of its principal (`aws:userid`). `version` is that of the secret, `host` a name for
    people. `uid` and `revision` are those of the certificate's record, if the consumer knows them.
    """

    consumer: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_+=,.@:-]{1,200}$")]
    certificate: CertificateName
    fingerprint_sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    uid: Annotated[str, StringConstraints(pattern=r"^[0-9a-f-]{0,36}$")] = ""
    revision: Count = 0
    version: Annotated[str, StringConstraints(pattern=r"^[ -~]{0,128}$")] = ""
    host: Annotated[str, StringConstraints(pattern=r"^[ -~]{0,253}$")] = ""
    loaded_at: Instant
    seen_at: Instant


class ConsumerList(Part):
    """The readable acknowledgements of one certificate; `more`: there are others that were not read."""

    known: Annotated[tuple[Acknowledgement, ...], Field(max_length=MOST_CONSUMERS)] = ()
    more: bool = False


class LateConsumers(Part):
    """The revision for which late consumers were announced, until none of them is late."""

    revision: Count
    at: Instant


@dataclass(frozen=True)
class AcknowledgementRefusal:
    """An acknowledgement that was not stored; `why` is for the log of the consumer."""

    why: str


class AcknowledgementStore(Protocol):
    """Stores acknowledgements, as a consumer writes them with its own permissions."""

    def acknowledge(self, loaded: Acknowledgement) -> AcknowledgementRefusal | None:
        """Store what a consumer has loaded; None if it is stored. Idempotent; raises Unavailable or Misconfigured.

        An older revision of the same certificate replaces no newer one.
        """


class ConsumerDirectory(Protocol):
    """Lists consumers, as the issuer and operators read them."""

    def of(self, certificate: str) -> ConsumerList:
        """Return the consumers of a certificate; raise Unavailable or Misconfigured."""
