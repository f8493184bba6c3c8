"""Route 53: the hosted zone of a name, and single values of a TXT record set that others share."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import ClientError

from evercert.aws.assumed_role import credentials_of, fetch_credentials_first
from evercert.aws.clients import code, translated
from evercert.aws.tags import Owner
from evercert.errors import Busy, Misconfigured

if TYPE_CHECKING:
    from types_boto3_route53 import Route53Client

    from evercert.aws.clients import Clients

TTL = 60  # seconds, for a set with a value of this stack
PAGE = "100"  # zones
REMOVALS = 3  # tries, if another program changes the set at the same time
LONGEST_STRING = 255  # bytes of one string of a TXT record (RFC 1035 §3.3)
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(?:([0-7]{3})|(.))")
_NOT_SIMPLE = frozenset({"AliasTarget", "SetIdentifier", "TrafficPolicyInstanceId"})  # fields of record sets
_HINT = "parameter HostedZones must list the zone, and the record's name must begin with _acme-challenge."


@dataclass(frozen=True)
class RecordSet:
    """A TXT record set: hosted zone and name, without a final dot."""

    zone: str
    name: str


class Route53Clients:
    """Clients of Route 53 for the stack's account, and for roles in other accounts; created on first use."""

    def __init__(self, clients: Clients, stack_id: str) -> None:
        self._clients = clients
        self._stack_id = stack_id
        self._made: dict[str | None, Route53Client] = {}

    def of(self, role: str | None) -> Route53Client:
        """Return the client without a request; if the role cannot be assumed, its calls raise Misconfigured."""
        if role not in self._made:
            clients = self._clients
            if role is not None:
                listed = "parameter SolverRoles must list it"
                refresh = credentials_of(self._clients, role, self._stack_id, listed)
                clients = self._clients.elsewhere(Owner.of(self._stack_id).region, refresh)
                fetch_credentials_first(clients)
            self._made[role] = clients.client("route53")
        return self._made[role]


class TXTRecords:
    """TXT record sets of one account. A caller must hold the lease of a set while it adds or removes a value."""

    def __init__(self, client: Route53Client, role: str | None) -> None:
        self._client = client
        self._hint = _HINT if role is None else f"{role} must allow it"

    def zone_of(self, name: str) -> str | None:
        """Return the id of the public hosted zone with the longest suffix of the name, or None.

        Raise Misconfigured if several public zones have that suffix: delegation decides which of them is used.
        """
        labels = name.split(".")
        for first in range(len(labels)):
            suffix = ".".join(labels[first:])
            found = sorted(self._public_zones(suffix))
            if len(found) > 1:
                raise Misconfigured(
                    f"cannot choose the hosted zone of {name}: {len(found)} public zones are named {suffix} "
                    f"({', '.join(found)}); set zone-id of the solver to the one that the parent zone delegates to"
                )
            if found:
                return found[0]
        return None

    def values(self, place: RecordSet) -> list[str]:
        """Return the texts of the set; empty if it is missing."""
        return [unquoted(one["Value"]) for one in self._read(place).get("ResourceRecords", [])]

    def add(self, place: RecordSet, text: str, before_write: Callable[[], None], stale: Collection[str] = ()) -> str:
        """Add the value, beside those of others, and return the change id; `before_write` may raise.

        The same write removes `stale` values.
        """
        others = _without(self._read(place).get("ResourceRecords", []), {text, *stale})
        before_write()
        records = [*others, {"Value": quoted(text)}]
        return self._change("UPSERT", place, {**_empty(place), "TTL": TTL, "ResourceRecords": records})

    def remove(
        self, place: RecordSet, text: str, before_write: Callable[[], None], stale: Collection[str] = ()
    ) -> None:
        """Remove the value and `stale` ones, and the set if it has no other one; succeeds if they are missing."""
        for _ in range(REMOVALS):
            found = self._read(place)
            records = found.get("ResourceRecords", [])
            others = _without(records, {text, *stale})
            if len(others) == len(records):
                return
            before_write()
            try:
                if others:
                    left = {**_empty(place), "TTL": found.get("TTL", TTL), "ResourceRecords": others}
                    self._change("UPSERT", place, left)
                else:
                    self._change("DELETE", place, found)
            except _InvalidDeletionError:
                continue  # the set is missing now, or has other values
            return
        raise Busy(f"cannot remove a value of the TXT record {place.name}: another program changes it; try again")

    def is_in_sync(self, change: str) -> bool | None:
        """Return whether all name servers have the change; None if Route 53 no longer knows it."""
        with translated(f"read the change {change} of Route 53 ({self._hint})"):
            try:
                return self._client.get_change(Id=change)["ChangeInfo"]["Status"] == "INSYNC"
            except ClientError as error:
                if code(error) == "NoSuchChange":
                    return None
                raise

    def _public_zones(self, name: str) -> Iterator[str]:
        page: dict[str, str] = {"DNSName": f"{name}."}
        with translated(f"list the hosted zones named {name} ({self._hint})"):
            while page:
                answer = self._client.list_hosted_zones_by_name(MaxItems=PAGE, **page)
                for zone in answer["HostedZones"]:  # sorted by name, starting at the given one
                    if zone["Name"].rstrip(".").lower() != name:
                        return
                    if not zone.get("Config", {}).get("PrivateZone", False):
                        yield zone["Id"].rpartition("/")[2]
                page = _next_page(answer) if answer.get("IsTruncated") else {}

    def _read(self, place: RecordSet) -> dict[str, Any]:
        """Return the set as Route 53 has it; without records if it is missing."""
        with translated(f"read the TXT record {place.name} in zone {place.zone} ({self._hint})"):
            answer = self._client.list_resource_record_sets(
                HostedZoneId=place.zone, StartRecordName=f"{place.name}.", StartRecordType="TXT", MaxItems="1"
            )
        for found in answer["ResourceRecordSets"]:  # sorted by name and type, starting at the given ones
            if found["Type"] == "TXT" and found["Name"].rstrip(".").lower() == place.name:
                if not _NOT_SIMPLE.isdisjoint(found):
                    raise Misconfigured(
                        f"cannot write the TXT record {place.name} in zone {place.zone}: it is an alias or has a "
                        "routing policy; delete it, or make it a simple record"
                    )
                return dict(found)
        return _empty(place)

    def _change(self, action: Literal["UPSERT", "DELETE"], place: RecordSet, records: Any) -> str:  # noqa: ANN401 (of the client)
        with translated(f"write the TXT record {place.name} in zone {place.zone} ({self._hint})"):
            try:
                answer = self._client.change_resource_record_sets(
                    HostedZoneId=place.zone,
                    ChangeBatch={"Changes": [{"Action": action, "ResourceRecordSet": records}]},
                )
            except ClientError as error:
                if action == "DELETE" and code(error) == "InvalidChangeBatch":
                    raise _InvalidDeletionError from error
                raise
        return answer["ChangeInfo"]["Id"].rpartition("/")[2]


class _InvalidDeletionError(Exception):
    """Route 53 refused to delete a set that is missing or has other values."""


def _without(records: Iterable[Any], texts: Collection[str]) -> list[Any]:
    return [one for one in records if unquoted(one["Value"]) not in texts]


def quoted(text: str) -> str:
    """Return the text as the value of a TXT record: strings of at most 255 bytes, in quotes."""
    content = text.encode()
    parts = [content[at : at + LONGEST_STRING] for at in range(0, len(content), LONGEST_STRING)] or [b""]
    return " ".join('"' + "".join(map(_escaped, part)) + '"' for part in parts)


def unquoted(value: str) -> str:
    """Return the text of a TXT record's value: its strings, joined."""
    parts = [_ESCAPE.sub(_character, part) for part in _STRING.findall(value)]
    return "".join(parts).encode("latin-1", "replace").decode(errors="replace")


def _escaped(byte: int) -> str:
    if chr(byte) in '"\\':
        return f"\\{chr(byte)}"
    return chr(byte) if ord(" ") <= byte <= ord("~") else f"\\{byte:03o}"


def _character(match: re.Match[str]) -> str:
    octal, other = match.groups()
    return chr(int(octal, 8)) if octal else str(other)


def _empty(place: RecordSet) -> dict[str, Any]:
    return {"Name": f"{place.name}.", "Type": "TXT"}


def _next_page(answer: Any) -> dict[str, str]:  # noqa: ANN401 (the client's answer)
    found = {"DNSName": answer.get("NextDNSName"), "HostedZoneId": answer.get("NextHostedZoneId")}
    return {name: text for name, text in found.items() if text}
