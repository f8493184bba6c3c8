"""Probe check: whether the server of a certificate serves the delivered one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from evercert.contracts.probe import ProbeAnswer, Prober, ProbeReport, ProbeResult, ProbeState, ProbeTarget, ServedLeaf
from evercert.contracts.record import Facts, Pending, Record
from evercert.deadline import Clock
from evercert.documents.spec import Spec
from evercert.errors import ClaimLost, EvercertError, OutOfTime, Unexpected
from evercert.issuance.staleness import RANKS, Staleness
from evercert.pki.certificate import Chain
from evercert.pki.server_names import covers
from evercert.scheduling.schedule import probe_grace
from evercert.timestamps import to_text

UNREACHABLE_FOR = timedelta(days=3)  # before it is announced
SOON = timedelta(days=7)  # before the end of a served certificate, or a quarter of its lifetime if that is shorter
NO_VALIDATOR = "the stack has no validator for probes; deploy it with Probes=yes"
_PROBLEMS = {
    "no-address": "its name has no address; check the probe in the document, and ValidationResolvers",
    "not-allowed": "an address of the host is not allowed; list its network in the parameter ValidationNetworks",
    "refused": "the connection was refused; check the port, and that the server runs",
    "timeout": "no answer in time; check security groups and routes",
    "no-tls": "the TLS handshake failed; the server must accept TLS 1.2 or later on this port",
    "failed": "the connection failed; check routes and security groups",
}


@dataclass(frozen=True)
class ProbeFinding:
    """The result for a host, the answer that decides, and the problem in words, if there was no certificate."""

    result: ProbeResult
    answer: ProbeAnswer
    problem: str | None = None


@dataclass(frozen=True)
class ProbeCheck:
    """Probes the server of a spec; without a validator, says so."""

    prober: Prober | None
    clock: Clock

    def run(self, record: Record, facts: Facts, errors: list[EvercertError]) -> Staleness | None:
        """Return what was found; None if the spec has no probe. A validator that fails is added to `errors`."""
        probe = record.spec.probe
        if probe is None:
            return None if record.probed is None else Staleness({"probed": None})
        if self.prober is None:
            return _judged(record, facts, ProbeFinding("not-probed", ProbeAnswer(), NO_VALIDATOR), self.clock())
        try:
            report = self.prober.probe(target_of(record.spec, facts))
        except (ClaimLost, OutOfTime):
            raise
        except Exception as error:  # noqa: BLE001 (a failed probe must not fail the status check)
            errors.append(error if isinstance(error, EvercertError) else Unexpected.of(error))
            return Staleness({"probed": _prior(record)})
        now = self.clock()
        return _judged(record, facts, judge(record, facts, report, now), now)


def target_of(spec: Spec, facts: Facts) -> ProbeTarget:
    """Return where to connect; the name to ask for is the host if the certificate covers it, else its first name."""
    probe = spec.probe
    if probe is None:
        raise ValueError("the spec has no probe")
    name = probe.server_name
    if name is None and probe.is_name and covers(facts.names, probe.host):
        name = probe.host
    if name is None:
        own = [one.removeprefix("dns:") for one in facts.names if one.startswith("dns:") and "*" not in one]
        name = next(iter(own), probe.host if probe.is_name else None)
    return ProbeTarget(probe.host, probe.port, name)


def judge(record: Record, facts: Facts, report: ProbeReport, now: datetime) -> ProbeFinding:
    """Return the result for a host, and the answer that decides: the worst of the certificates that were seen.

    An address without an answer counts only if no other one has an answer: a host may have an IPv6 address that the
    stack cannot reach.
    """
    seen = [(answer, answer.leaf) for answer in report.answers if answer.leaf is not None]
    others = [(answer, leaf) for answer, leaf in seen if leaf.fingerprint_sha256 != facts.fingerprint_sha256]
    if others:
        return ProbeFinding("outdated", min(others, key=lambda one: one[1].not_after or facts.not_after)[0])
    chained = record.probed is not None and bool(record.probed.intermediates)
    alone = [answer for answer, leaf in seen if leaf.issuer_until is None or leaf.issuer_until < now]
    if chained and alone:
        return ProbeFinding("incomplete", alone[0])
    if seen:
        return ProbeFinding("served", seen[0][0])
    first = next((one for one in report.answers if one.problem == "not-allowed"), report.answers[0])
    result: ProbeResult = "not-probed" if first.problem == "not-allowed" else "unreachable"
    return ProbeFinding(result, first, _PROBLEMS[first.problem or "failed"])


def delivered(record: Record, pending: Pending) -> dict[str, ProbeState]:
    """Return the change of the record for a delivered revision: the length of its chain, which a server must send."""
    if record.spec.probe is None or pending.chain is None:
        return {}
    issuers = Chain.from_pem(pending.chain).issuers_pem.count("-----BEGIN")
    last = record.probed or ProbeState(target=str(record.spec.probe))
    return {"probed": last.model_copy(update={"intermediates": issuers})}


def _data(state: ProbeState, answer: ProbeAnswer, facts: Facts) -> dict[str, Any]:
    """Return the event data of a finding."""
    served = {} if answer.leaf is None else answer.leaf.model_dump(mode="json", exclude_none=True)
    place = f"{state.target} at {answer.address}" if answer.address else state.target
    messages = {
        "outdated": f"{place} serves another certificate than revision {facts.revision}; reload the server, and "
        "check that it reads the delivered certificate",
        "incomplete": f"{place} serves the certificate without a valid certificate of its issuer; configure the server "
        "with the whole chain (`fullchain`)",
        "unreachable": f"{place} cannot be probed: {state.problem}",
        "not-probed": f"{place} was not probed: {state.problem}",
    }
    since = state.since and to_text(state.since)
    probe = {"target": state.target, "address": answer.address, "result": state.result, "since": since}
    return {"probe": {key: value for key, value in probe.items() if value} | ({"served": served} if served else {}),
            "message": messages.get(state.result or "")}  # fmt: skip


def _judged(record: Record, facts: Facts, seen: ProbeFinding, now: datetime) -> Staleness:
    """Compare a result with the incident so far; announce it once, and once more if it becomes critical."""
    last, result, answer, leaf = _prior(record), seen.result, seen.answer, seen.answer.leaf
    since = last.since if last.result == result and last.since is not None else now
    other = leaf if result in {"outdated", "incomplete"} else None
    state = last.model_copy(
        update={
            "at": now,
            "result": result,
            "since": since,
            "announced": None if result == "served" else last.announced,
            "problem": seen.problem,
            "fingerprint_sha256": other and other.fingerprint_sha256,
            "not_after": other and other.not_after,
        }
    )
    begins = (facts.obtained_at or facts.not_before) + probe_grace(facts)
    waits = result == "outdated" and (now < begins or not record.delivered(facts.revision))
    level = None if waits else _level(result, state, leaf, now)
    details = {"probe": result}
    if level is None:
        return Staleness({"probed": state}, details=details, recheck_at=begins if waits and now < begins else None)
    if RANKS[level] <= RANKS[state.announced]:
        return Staleness({"probed": state}, details=details, problem=result)
    announced = state.model_copy(update={"announced": level})
    return Staleness({"probed": announced}, _data(state, answer, facts), details, level, result)


def _level(
    result: ProbeResult, state: ProbeState, leaf: ServedLeaf | None, now: datetime
) -> Literal["warning", "critical"] | None:
    if result == "served" or (result == "unreachable" and now < (state.since or now) + UNREACHABLE_FOR):
        return None
    return "critical" if result == "outdated" and leaf is not None and _ends_soon(leaf, now) else "warning"


def _ends_soon(leaf: ServedLeaf, now: datetime) -> bool:
    if leaf.not_after is None:
        return False
    lifetime = leaf.not_after - (leaf.not_before or leaf.not_after)
    return leaf.not_after <= now + min(SOON, max(lifetime, timedelta(0)) / 4)


def _prior(record: Record) -> ProbeState:
    """Return the state of the incident so far; another target begins a new one."""
    target, last = str(record.spec.probe), record.probed
    if last is not None and last.target == target:
        return last
    return ProbeState(target=target, intermediates=None if last is None else last.intermediates)
