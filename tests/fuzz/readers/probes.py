"""Readers of probes: the key of a document, certificates of servers, orders and reports."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace
from typing import Any

from evercert.aws.dynamodb.consumers import read as read_item
from evercert.aws.served_certificates import leaf_of
from evercert.aws.validator_client import ValidatorClient
from evercert.aws.validator_client import read as read_order
from evercert.contracts.probe import ProbeAnswer, ProbeReport, ProbeTarget
from evercert.contracts.record import Facts
from evercert.issuance.probe_check import target_of
from evercert.pki.certificate import Chain
from tests.doubles.fakes import spec
from tests.fuzz.changes import changed_tree, mutated_text
from tests.fuzz.reader import Reader
from tests.fuzz.readers.certificates import certificates, chain, der_of

TARGET = ProbeTarget("www.example.com", 443, "www.example.com")


def read_served(data: bytes) -> None:
    """Read a served chain; never raises, and the issuer can read the result."""
    for served in ([data], [data, der_of(chain()[1])], [der_of(chain()[2]), data]):
        answer = ProbeAnswer(address="192.0.2.1", leaf=leaf_of(served, TARGET))
        written = ProbeReport(answers=(answer,)).model_dump(mode="json", exclude_none=True)
        assert ProbeReport.model_validate(json.loads(json.dumps(written))).answers == (answer,)


def read_probe(written: Any) -> None:
    """Read the key of a document; what is stored reads the same again."""
    wanted = spec(probe=written)
    again = spec(**{key: value for key, value in wanted.document().items() if key in {"probe", "attributes"}})
    assert again.probe == wanted.probe
    if wanted.probe is not None:
        target = target_of(wanted, Facts.of(Chain((chain()[2].certificate,)), 1))
        assert 0 < target.port < 65_536
        assert str(wanted.probe).isprintable()


def read_report(data: str) -> None:
    """Read an answer of the validator function."""
    client: Any = SimpleNamespace(invoke=lambda **_: {"Payload": io.BytesIO(data.encode())})
    ValidatorClient(lambda: client, "validator").probe(TARGET)


def reports() -> list[str]:
    found = ProbeReport(answers=(ProbeAnswer(leaf=leaf_of(certificates(), TARGET)), ProbeAnswer(problem="refused")))
    return [found.model_dump_json(exclude_none=True)]


def read_acknowledgement(item: Any) -> None:
    """Read an item that a consumer wrote; never raises, and what is read can be shown."""
    found = read_item(item) if isinstance(item, dict) else None
    if found is not None:
        assert all(text.isprintable() for text in (found.host, found.version, found.consumer))


def acknowledgements() -> list[dict[str, Any]]:
    time = {"S": "2026-01-15T12:00:00.000Z"}
    fields = {
        "fingerprint_sha256": {"S": "f" * 64},
        "revision": {"N": "3"},
        "host": {"S": "web-1"},
        "version": {"S": "v"},
    }
    keys = {"pk": {"S": "AROAEXAMPLE:i-1"}, "sk": {"S": "certificate#web"}}
    return [{**keys, **fields, "uid": {"S": ""}, "loaded_at": time, "seen_at": time}]


PROBES = ["www.example.com:443", "[2001:db8::7]:8443", "10.0.0.7:5432", "bücher.example:443"]
READERS = [
    Reader("served certificate", certificates, read_served, typed=(), cost=3),
    Reader("probe", lambda: PROBES, read_probe, mutated_text),
    Reader("probe with name", lambda: [{"address": one, "server-name": "a.example"} for one in PROBES], read_probe, changed_tree),
    Reader("probe report", reports, read_report, mutated_text),
    Reader("acknowledgement", acknowledgements, read_acknowledgement, changed_tree, typed=()),
    Reader("probe order", lambda: [{"host": "a.example", "port": 443, "server_name": None}], read_order, changed_tree),
]  # fmt: skip
