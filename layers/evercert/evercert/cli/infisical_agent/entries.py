"""One certificate of an agent document as evercert's own documents would have it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evercert import durations
from evercert.canonical_json import canonical_json
from evercert.cli.infisical_agent.form import HOOKS
from evercert.documents.document import Path, Problem
from evercert.documents.lifecycle import SHORTEST_CHECK
from evercert.documents.spec import LARGEST_AGENT
from evercert.pki.identifiers import parse
from evercert.pki.usages import EXTENDED_KEY_USAGES, KEY_USAGES, in_the_standard
from evercert.schema import printable

EVENTS = {
    "on-issuance": "certificate.issued",
    "on-renewal": "certificate.renewed",
    "on-failure": "certificate.failed, certificate.expired and certificate.revoked",
}
MOST_NUMBERS = 5
_BESIDE_A_CSR = ("ttl", "not-before", "not-after", "signature-algorithm")
_SHORTENED = (1_000, 100)  # characters; the second always fits: seven texts, of six bytes a character as JSON
_NOT_HERE = ("remove-roots-from-chain", "destination-path")
# Words of other documents for the same usage.
_USAGES = {in_the_standard(usage): usage for usage in (*KEY_USAGES, *EXTENDED_KEY_USAGES)} | {
    "timestamping": "time_stamping"
}
ONCE = "without renew-before-expiry it is issued once, as in the agent's documentation; only its expiry is warned of"
BY_CSR = "with a csr it is issued once, as by the agent: make the CSR anew to renew it"


def _fitting(kept: dict[str, Any]) -> dict[str, Any]:
    """Long texts shortened until the whole may be stored: a hook can be a script, and nobody runs it here."""
    for longest in _SHORTENED:
        if len(canonical_json(kept)) <= LARGEST_AGENT:
            break
        kept = _shortened(kept, longest)
    return kept


def _shortened(value: Any, longest: int) -> Any:  # noqa: ANN401 (as the document has it)
    if isinstance(value, dict):
        return {key: _shortened(part, longest) for key, part in value.items()}
    return f"{value[:longest]}…" if isinstance(value, str) and len(value) > longest else value


class Notes:
    """What is said once, with the numbers of all certificates that it is about."""

    def __init__(self) -> None:
        self._said: dict[str, list[Path]] = {}

    def say(self, message: str, *path: str | int) -> None:
        """`path` in the agent's document."""
        self._said.setdefault(message, []).append(path)

    def all(self) -> list[Problem]:
        """One each, at the first place that it is about."""
        return [Problem(paths[0], f"{_numbers(paths)}{message}") for message, paths in self._said.items()]


def _numbers(paths: list[Path]) -> str:
    numbers = sorted({path[1] + 1 for path in paths if len(path) > 1 and isinstance(path[1], int)})
    if not numbers:
        return ""
    if len(numbers) > MOST_NUMBERS:
        return f"{len(numbers)} certificates: "
    return f"certificate{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}: "


class Entry:
    """One entry on its way; `spec` is the certificate in the spelling of `evercert/v1`."""

    def __init__(self, entry: Mapping[str, Any], number: int, notes: Notes) -> None:
        self._entry = entry
        self._where = ("certificates", number)
        self._notes = notes

    def spec(self, name: str, issuer: str, request: str | None) -> dict[str, Any]:
        """Only what is given stands in it, so that defaults stay defaults."""
        destination: dict[str, Any] = {"type": "secrets-manager"}
        if (self._entry.get("file-output") or {}).get("chain", {}).get("omit-root") is False:
            destination["omit-root"] = False
        spec: dict[str, Any] = {"name": name, "issuer": issuer, "destinations": [destination]}
        if "certificate-id" in self._entry:
            spec["certificate-id"] = self._entry["certificate-id"]
        elif request is not None:
            spec |= {"csr": request, "attributes": self._attributes(_BESIDE_A_CSR)}
        else:
            algorithm = (self._entry.get("attributes") or {}).get("key-algorithm", "issuer")
            spec |= {"attributes": self._attributes(), "private-key": {"algorithm": algorithm}}
        found = {"lifecycle": self._lifecycle(by_csr=request is not None), "agent": self._kept()}
        return {**spec, **{key: part for key, part in found.items() if part}}

    def _attributes(self, kept: tuple[str, ...] = ()) -> dict[str, Any]:
        given = dict(self._entry.get("attributes") or {})
        for key in _NOT_HERE:
            if given.pop(key, None) is not None:
                self._say(f"attributes.{key} is read by no agent, and not used here", "attributes", key)
        if kept:
            for key in [key for key in given if key not in kept]:
                del given[key]
                self._say(f"with a csr, attributes.{key} is the CSR's; not used", "attributes", key)
            return given
        given.pop("key-algorithm", None)
        for key in ("key-usages", "extended-key-usages"):
            if key in given:
                given[key] = [self._usage(key, index, word) for index, word in enumerate(given[key])]
        for index, text in enumerate(given.get("alt-names", ())):
            self._alternative(index, text)
        return given

    def _usage(self, key: str, index: int, word: str) -> str:
        known = _USAGES.get(word)
        if known is None or known == word:
            return word
        self._say(f"{word} is {known} to the server; sent as that", "attributes", key, index)
        return known

    def _alternative(self, index: int, text: str) -> None:
        try:
            kind = parse(text).kind
        except ValueError:
            return  # told where names are checked
        if kind != "dns":
            words = {"ip": "an IP address", "email": "an e-mail address", "uri": "a URI"}[kind]
            self._say(
                f"{printable(text, 60)} is sent as {words}; the agent sends it as a DNS name",
                "attributes",
                "alt-names",
                index,
            )

    def _lifecycle(self, *, by_csr: bool) -> dict[str, Any]:
        given = self._entry.get("lifecycle") or {}
        found: dict[str, Any] = {}
        wish, interval = given.get("renew-before-expiry"), given.get("status-check-interval")
        if "certificate-id" in self._entry:
            if wish is not None:
                self._say(
                    "with a certificate-id it is renewed elsewhere, and followed", "lifecycle", "renew-before-expiry"
                )
            if given.get("replace-on-renewals") is False:
                self._say("replace-on-renewals: false: evercert follows renewals", "lifecycle", "replace-on-renewals")
        elif by_csr:
            self._say(BY_CSR, "csr" if "csr" in self._entry else "csr-path")
            found["renew-before-expiry"] = "never"
        else:
            if wish is None:
                self._say(ONCE)
            found["renew-before-expiry"] = wish or "never"
        if interval is not None:
            short = interval == "0s" or durations.parse(interval) < SHORTEST_CHECK
            if short:
                least = durations.to_text(SHORTEST_CHECK)
                self._say(
                    f"status-check-interval is {least} at the least; read as that", "lifecycle", "status-check-interval"
                )
            found["status-check-interval"] = durations.to_text(SHORTEST_CHECK) if short else interval
        for key in ("failure-retry-interval", "max-failure-retries"):
            if key in given:
                self._say("failures are tried again until it succeeds, ever more slowly", "lifecycle", key)
        return found

    def _kept(self) -> dict[str, Any]:
        """What only an agent on a host would do, kept for people."""
        if "file-output" in self._entry:
            self._say("no file is written: file-output is kept, and the certificate goes into a secret", "file-output")
        hooks = self._entry.get("post-hooks") or {}
        if hooks:
            instead = ", ".join(f"{hook} → {EVENTS[hook]}" for hook in HOOKS if hook in hooks)
            self._say(
                f"no command is run: post-hooks are kept as written, so take secrets out; "
                f"subscribe to the events instead ({instead})",
                "post-hooks",
            )
        attributes = self._entry.get("attributes") or {}
        lifecycle = self._entry.get("lifecycle") or {}
        parts = {
            "file-output": self._entry.get("file-output"),
            "post-hooks": hooks,
            "attributes": {key: attributes[key] for key in _NOT_HERE if key in attributes},
            "lifecycle": {
                key: lifecycle[key] for key in ("failure-retry-interval", "max-failure-retries") if key in lifecycle
            },
        }
        return _fitting({key: part for key, part in parts.items() if part})

    def _say(self, message: str, *path: str | int) -> None:
        self._notes.say(message, *self._where, *path)
