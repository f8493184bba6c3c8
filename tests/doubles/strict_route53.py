"""Route 53 in memory, with the rules that the emulator does not enforce; each rule with its source.

Sources: the service model that botocore ships ("model"), the API reference ("API") and the developer guide ("guide").
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.doubles.strict_aws import refuse

STRINGS = re.compile(r'"(?:[^"\\]|\\.){0,255}"(?: "(?:[^"\\]|\\.){0,255}")*')  # guide: TXT record type
POLLS = 2  # GetChange answers PENDING until it was asked this often


@dataclass
class Zone:
    """A hosted zone and its record sets."""

    name: str  # with a final dot
    private: bool = False
    records: list[dict[str, Any]] = field(default_factory=list)


def no_call(_: str) -> None:
    pass


class StrictRoute53:
    """A client of Route 53; `before` and `after` see each call."""

    def __init__(self, before: Callable[[str], None] = no_call, after: Callable[[], None] = lambda: None) -> None:
        self.zones: dict[str, Zone] = {}
        self.changes: dict[str, int] = {}  # and how often GetChange was asked
        self.refusals: dict[str, list[str]] = {}  # operation to the codes of its next refusals
        self.writes: list[tuple[str, dict[str, Any]]] = []
        self.calls: list[str] = []
        self._before, self._after = before, after

    def create_zone(self, name: str, *, private: bool = False) -> str:
        zone = f"Z{len(self.zones):07}"
        self.zones[zone] = Zone(f"{name}.", private)
        return zone

    def put(self, zone: str, name: str, *texts: str, ttl: int = 300, kind: str = "TXT", **more: Any) -> None:
        """Create a record set as another program does."""
        values = [{"Value": f'"{text}"' if kind == "TXT" else text} for text in texts]
        made = {"Name": f"{name}.", "Type": kind, "TTL": ttl, "ResourceRecords": values, **more}
        self.zones[zone].records = [one for one in self.zones[zone].records if not _same(one, made)] + [made]

    def texts(self, name: str, zone: str | None = None) -> list[str]:
        """Return what a CA finds at the name."""
        zones = [self.zones[zone]] if zone else [one for one in self.zones.values() if not one.private]
        found = [one for each in zones for one in each.records if one["Name"] == f"{name}." and one["Type"] == "TXT"]
        values = [value["Value"] for one in found for value in one["ResourceRecords"]]
        return ["".join(re.findall(r'"((?:[^"\\]|\\.)*)"', value)) for value in values]

    def list_hosted_zones_by_name(
        self, *, DNSName: str, MaxItems: str, HostedZoneId: str | None = None
    ) -> dict[str, Any]:
        return self._call("ListHostedZonesByName", lambda: self._list_zones(DNSName, int(MaxItems), HostedZoneId))

    def list_resource_record_sets(
        self, *, HostedZoneId: str, StartRecordName: str, StartRecordType: str, MaxItems: str
    ) -> dict[str, Any]:
        def answer() -> dict[str, Any]:
            zone, start = self._zone(HostedZoneId, "ListResourceRecordSets"), (_order(StartRecordName), StartRecordType)
            found = sorted(
                zone.records, key=lambda one: (_order(one["Name"]), one["Type"], one.get("SetIdentifier", ""))
            )
            rest = [one for one in found if (_order(one["Name"]), one["Type"]) >= start]
            page = copy.deepcopy(rest[: int(MaxItems)])
            return {"ResourceRecordSets": page, "IsTruncated": len(rest) > len(page), "MaxItems": MaxItems}

        return self._call("ListResourceRecordSets", answer)

    def change_resource_record_sets(self, *, HostedZoneId: str, ChangeBatch: Any) -> dict[str, Any]:
        def answer() -> dict[str, Any]:
            zone = self._zone(HostedZoneId, "ChangeResourceRecordSets")
            after = copy.deepcopy(zone.records)
            for change in ChangeBatch["Changes"]:  # API: all changes or none
                after = self._changed(after, zone, change["Action"], copy.deepcopy(change["ResourceRecordSet"]))
                self.writes.append((change["Action"], change["ResourceRecordSet"]))
            zone.records = after
            change_id = f"C{len(self.writes):07}"
            self.changes[change_id] = 0
            return {"ChangeInfo": {"Id": f"/change/{change_id}", "Status": "PENDING"}}

        return self._call("ChangeResourceRecordSets", answer)

    def get_change(self, *, Id: str) -> dict[str, Any]:
        def answer() -> dict[str, Any]:
            if Id not in self.changes:
                raise refuse(
                    "NoSuchChange", "GetChange", f"A change with the specified change ID {Id} does not exist.", 404
                )
            self.changes[Id] += 1
            return {
                "ChangeInfo": {"Id": f"/change/{Id}", "Status": "INSYNC" if self.changes[Id] > POLLS else "PENDING"}
            }

        return self._call("GetChange", answer)

    def _call(self, operation: str, answer: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        self._before(operation)
        self.calls.append(operation)
        if self.refusals.get(operation):
            raise refuse(self.refusals[operation].pop(0), operation, "Rate exceeded")
        found = answer()
        self._after()
        return found

    def _list_zones(self, name: str, most: int, start: str | None) -> dict[str, Any]:
        """API: sorted by the reversed labels of the name, then by id."""
        ordered = sorted(self.zones.items(), key=lambda one: (_order(one[1].name), one[0]))
        rest = [one for one in ordered if (_order(one[1].name), one[0]) >= (_order(name), start or "")]
        page = [
            {"Id": f"/hostedzone/{number}", "Name": zone.name, "Config": {"PrivateZone": zone.private}}
            for number, zone in rest[:most]
        ]
        answer: dict[str, Any] = {"HostedZones": page, "IsTruncated": len(rest) > most, "MaxItems": str(most)}
        if len(rest) > most:
            answer |= {"NextDNSName": rest[most][1].name, "NextHostedZoneId": rest[most][0]}
        return answer

    def _zone(self, number: str, operation: str) -> Zone:
        if number not in self.zones:
            raise refuse("NoSuchHostedZone", operation, f"No hosted zone found with ID: {number}", 404)
        return self.zones[number]

    def _changed(
        self, records: list[dict[str, Any]], zone: Zone, action: str, new: dict[str, Any]
    ) -> list[dict[str, Any]]:
        found = next((one for one in records if _same(one, new)), None)
        named = f"resource record set [name='{new['Name']}', type='{new['Type']}']"
        if not f".{new['Name']}".endswith(f".{zone.name}"):
            raise self._invalid(f"RRSet with DNS name {new['Name']} is not permitted in zone {zone.name}")
        if action == "DELETE":  # API: all elements must have the current values
            if found is None:
                raise self._invalid(f"Tried to delete {named} but it was not found")
            if found != new:
                raise self._invalid(f"Tried to delete {named} but the values provided do not match the current values")
            return [one for one in records if one is not found]
        assert action == "UPSERT", action
        self._check(records, new)
        return [one for one in records if one is not found] + [new]

    def _check(self, records: list[dict[str, Any]], new: dict[str, Any]) -> None:
        values = [one["Value"] for one in new.get("ResourceRecords", [])]
        if not values or "TTL" not in new:  # model: min 1; API: required for records that are no alias
            raise refuse("InvalidInput", "ChangeResourceRecordSets", "Missing field")
        if len(set(values)) != len(values):
            raise self._invalid(f"Duplicate Resource Record: '{values[0]}'")
        if any(not STRINGS.fullmatch(value) for value in values):
            raise self._invalid("Invalid Resource Record: 'FATAL problem: InvalidCharacterString (Value should be "
                                "enclosed in quotation marks)'")  # fmt: skip
        for one in records:
            if one["Name"] == new["Name"] and "CNAME" in (one["Type"], new["Type"]) and one["Type"] != new["Type"]:
                raise self._invalid(f"RRSet of type {new['Type']} with DNS name {new['Name']} is not permitted as it "
                                    "conflicts with other records with the same DNS name")  # fmt: skip
            if (one["Name"], one["Type"]) == (new["Name"], new["Type"]) and ("SetIdentifier" in one) != (
                "SetIdentifier" in new
            ):
                raise self._invalid("RRSet with the same name and type but another routing policy exists")

    @staticmethod
    def _invalid(message: str) -> Exception:
        return refuse("InvalidChangeBatch", "ChangeResourceRecordSets", f"[{message}]")


def _order(name: str) -> list[str]:
    return name.rstrip(".").lower().split(".")[::-1]


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(one.get(key) == other.get(key) for key in ("Name", "Type", "SetIdentifier"))
