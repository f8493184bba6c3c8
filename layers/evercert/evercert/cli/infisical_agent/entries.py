"""Translate one certificate of an agent document to an `evercert/v1` certificate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evercert import durations
from evercert.canonical_json import canonical_json
from evercert.cli.infisical_agent.notes import Notes
from evercert.cli.infisical_agent.shapes import HOOKS
from evercert.documents.lifecycle import SHORTEST_CHECK
from evercert.documents.spec import LARGEST_AGENT
from evercert.pki.algorithms import ALGORITHMS
from evercert.pki.identifiers import parse_valid
from evercert.pki.usages import (
    EXTENDED_KEY_USAGES,
    KEY_USAGES,
    impossible,
    in_the_standard,
    purpose_conflict,
    without_conflict,
    without_impossible,
)
from evercert.schema import printable

EVENTS = {
    "on-issuance": "certificate.issued",
    "on-renewal": "certificate.renewed",
    "on-failure": "certificate.failed, certificate.expired and certificate.revoked",
}
_WITH_CSR = ("ttl", "not-before", "not-after", "signature-algorithm")
_SHORTENED = (1_000, 100)  # characters; the second always fits: seven texts, six bytes per character as JSON
_UNUSED = ("remove-roots-from-chain", "destination-path")
# Spellings of other documents for the same usage.
_USAGES = {in_the_standard(usage): usage for usage in (*KEY_USAGES, *EXTENDED_KEY_USAGES)} | {
    "timestamping": "time_stamping"
}
ONCE = (
    "without renew-before-expiry it is issued once, as in the agent's documentation; evercert only warns of its expiry"
)
BY_CSR = "with a csr it is issued once, as by the agent: to renew it, supply a new CSR"


def _fit(settings: dict[str, Any]) -> dict[str, Any]:
    """Shorten long texts until the whole fits into the record; hooks may be scripts, which evercert does not run."""
    for longest in _SHORTENED:
        if len(canonical_json(settings)) <= LARGEST_AGENT:
            break
        settings = _shortened(settings, longest)
    return settings


def _shortened(value: Any, longest: int) -> Any:  # noqa: ANN401 (as the document has it)
    if isinstance(value, dict):
        return {key: _shortened(part, longest) for key, part in value.items()}
    return f"{value[:longest]}…" if isinstance(value, str) and len(value) > longest else value


class Entry:
    """One entry of `certificates`; `spec` translates it to `evercert/v1`."""

    def __init__(self, entry: Mapping[str, Any], number: int, notes: Notes) -> None:
        self._entry = entry
        self._where = ("certificates", number)
        self._notes = notes

    def spec(self, name: str, issuer: str, request: str | None) -> dict[str, Any]:
        """Return the certificate with only the values that the entry sets, so that defaults apply."""
        destination: dict[str, Any] = {"type": "secrets-manager"}
        if (self._entry.get("file-output") or {}).get("chain", {}).get("omit-root") is False:
            destination["omit-root"] = False
        spec: dict[str, Any] = {"name": name, "issuer": issuer, "destinations": [destination]}
        if "certificate-id" in self._entry:
            spec["certificate-id"] = self._entry["certificate-id"]
        elif request is not None:
            spec |= {"csr": request, "attributes": self._attributes(_WITH_CSR)}
        else:
            algorithm = (self._entry.get("attributes") or {}).get("key-algorithm", "issuer")
            spec |= {"attributes": self._attributes(), "private-key": {"algorithm": algorithm}}
        found = {"lifecycle": self._lifecycle(by_csr=request is not None), "agent": self._agent_settings()}
        return {**spec, **{key: part for key, part in found.items() if part}}

    def _attributes(self, allowed: tuple[str, ...] = ()) -> dict[str, Any]:
        attributes = dict(self._entry.get("attributes") or {})
        for key in _UNUSED:
            if attributes.pop(key, None) is not None:
                self._note(f"attributes.{key} is ignored, as by the agent", "attributes", key)
        if allowed:
            for key in [key for key in attributes if key not in allowed]:
                del attributes[key]
                self._note(f"attributes.{key} is ignored: the CSR determines it", "attributes", key)
            return attributes
        algorithm = attributes.pop("key-algorithm", None)
        for key in ("key-usages", "extended-key-usages"):
            if key in attributes:
                attributes[key] = [self._usage(key, index, word) for index, word in enumerate(attributes[key])]
        self._leave_out_impossible(attributes, algorithm)
        for index, text in enumerate(attributes.get("alt-names", ())):
            self._alternative(index, text)
        return attributes

    def _leave_out_impossible(self, attributes: dict[str, Any], algorithm: str | None) -> None:
        """Leave out usages that the key cannot have: documents of the agent often list them for every key."""
        purposes = attributes.get("extended-key-usages", ())
        if conflict := purpose_conflict(purposes):
            self._note(f"left out: {conflict}", "attributes", "extended-key-usages")
            attributes["extended-key-usages"] = without_conflict(purposes)
        usages = attributes.get("key-usages", ())
        if algorithm not in ALGORITHMS or not set(usages) <= set(KEY_USAGES):
            return  # reported where attributes are checked
        if problem := impossible(usages, algorithm):
            self._note(f"left out: {problem}", "attributes", "key-usages")
            attributes["key-usages"] = without_impossible(usages, algorithm)
            if not attributes["key-usages"]:
                del attributes["key-usages"]

    def _usage(self, key: str, index: int, word: str) -> str:
        known = _USAGES.get(word)
        if known is None or known == word:
            return word
        self._note(f"{word} is sent as {known}, the server's spelling", "attributes", key, index)
        return known

    def _alternative(self, index: int, text: str) -> None:
        name = parse_valid(text)  # invalid ones are reported where names are checked
        if name is not None and name.kind != "dns":
            words = {"ip": "an IP address", "email": "an e-mail address", "uri": "a URI"}[name.kind]
            self._note(
                f"{printable(text, 60)} is sent as {words}; the agent sends it as a DNS name",
                "attributes",
                "alt-names",
                index,
            )

    def _lifecycle(self, *, by_csr: bool) -> dict[str, Any]:
        lifecycle = self._entry.get("lifecycle") or {}
        found: dict[str, Any] = {}
        renew_before, interval = lifecycle.get("renew-before-expiry"), lifecycle.get("status-check-interval")
        if "certificate-id" in self._entry:
            if renew_before is not None:
                self._note(
                    "with a certificate-id evercert follows renewals that are made elsewhere",
                    "lifecycle",
                    "renew-before-expiry",
                )
            if lifecycle.get("replace-on-renewals") is False:
                self._note(
                    "replace-on-renewals: false is ignored: evercert follows renewals",
                    "lifecycle",
                    "replace-on-renewals",
                )
        elif by_csr:
            self._note(BY_CSR, "csr" if "csr" in self._entry else "csr-path")
            found["renew-before-expiry"] = "never"
        else:
            if renew_before is None:
                self._note(ONCE)
            found["renew-before-expiry"] = renew_before or "never"
        if interval is not None:
            short = interval == "0s" or durations.parse(interval) < SHORTEST_CHECK
            if short:
                least = durations.to_text(SHORTEST_CHECK)
                self._note(
                    f"status-check-interval is raised to {least}, the minimum", "lifecycle", "status-check-interval"
                )
            found["status-check-interval"] = durations.to_text(SHORTEST_CHECK) if short else interval
        for key in ("failure-retry-interval", "max-failure-retries"):
            if key in lifecycle:
                self._note("evercert retries failures until success, with growing delays", "lifecycle", key)
        return found

    def _agent_settings(self) -> dict[str, Any]:
        """Return the settings that only an agent on a host acts on; stored for information."""
        if "file-output" in self._entry:
            self._note(
                "the stack writes no files: file-output is for `evercert agent` on the host; "
                "the certificate goes into a secret",
                "file-output",
            )
        hooks = self._entry.get("post-hooks") or {}
        if hooks:
            instead = ", ".join(f"{hook} → {EVENTS[hook]}" for hook in HOOKS if hook in hooks)
            self._note(
                "the stack runs no commands: post-hooks are for `evercert agent` on the host, and stored as written, "
                f"so remove secrets; elsewhere subscribe to the events ({instead})",
                "post-hooks",
            )
        attributes = self._entry.get("attributes") or {}
        lifecycle = self._entry.get("lifecycle") or {}
        parts = {
            "file-output": self._entry.get("file-output"),
            "post-hooks": hooks,
            "attributes": {key: attributes[key] for key in _UNUSED if key in attributes},
            "lifecycle": {
                key: lifecycle[key] for key in ("failure-retry-interval", "max-failure-retries") if key in lifecycle
            },
        }
        return _fit({key: part for key, part in parts.items() if part})

    def _note(self, message: str, *path: str | int) -> None:
        self._notes.add(message, *self._where, *path)
