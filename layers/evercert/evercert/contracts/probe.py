"""Answers of a probe, as the validator function returns them: data of a network peer, bounded and checked when read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

from pydantic import Field, StringConstraints

from evercert.contracts.record_part import Count, Part
from evercert.schema import Instant

MOST_ADDRESSES = 4  # of one host
MOST_CERTIFICATES = 10  # of one chain that are read
LARGEST_REPORT = 16_384  # bytes

ProbeResult = Literal["served", "outdated", "incomplete", "unreachable", "not-probed"]
LONGEST_TARGET, LONGEST_PROBLEM = 1_000, 200
ProbeProblem = Literal["no-address", "not-allowed", "refused", "timeout", "no-tls", "failed"]


@dataclass(frozen=True)
class ProbeTarget:
    """Where to connect, and the name to ask for in the handshake; None sends none."""

    host: str
    port: int
    server_name: str | None


class ServedLeaf(Part):
    """The first certificate of a served chain; what does not parse is absent.

    `issuer_until`: the end of the certificate of its issuer in the chain, None if it is missing there.
    """

    fingerprint_sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    serial_number: Annotated[str, StringConstraints(pattern=r"^[0-9A-F]{2,64}$")] | None = None
    not_before: Instant | None = None
    not_after: Instant | None = None
    covers_name: bool | None = None
    issuer_until: Instant | None = None


class ProbeAnswer(Part):
    """Answer of one address of the host: a certificate, or a problem."""

    address: Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F:.]{0,45}$")] = ""
    leaf: ServedLeaf | None = None
    problem: ProbeProblem | None = None


class ProbeReport(Part):
    """The answers of a host's addresses; at least one."""

    answers: Annotated[tuple[ProbeAnswer, ...], Field(min_length=1, max_length=MOST_ADDRESSES)]


class Prober(Protocol):
    """Connects to servers and reads what they serve; trusts nothing of it."""

    def probe(self, target: ProbeTarget) -> ProbeReport:
        """Return what the server serves; raise Unavailable or Misconfigured if it could not be asked."""


class ProbeState(Part):
    """The last probe of the server that should serve the certificate, and the incident that it found, if any.

    `intermediates`: of the delivered chain. `since`: the first probe with this result. `announced`: the severity of the
    event of this incident, which ends with the result `served`.
    """

    target: Annotated[str, StringConstraints(max_length=LONGEST_TARGET)]
    intermediates: Count | None = None
    at: Instant | None = None
    result: ProbeResult | None = None
    since: Instant | None = None
    announced: Literal["warning", "critical"] | None = None
    problem: Annotated[str, StringConstraints(max_length=LONGEST_PROBLEM)] | None = None
    fingerprint_sha256: Annotated[str, StringConstraints(max_length=64)] | None = None
    not_after: Instant | None = None
