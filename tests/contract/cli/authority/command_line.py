"""Call `evercert authority …` in tests: types, assertions and a double of the front function."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from tests.doubles.strict_aws import refuse
from tests.samples.certificates import private_key
from tests.tools.local_stack import ACCOUNT, ROOT

ROLE = f"arn:aws:iam::{ACCOUNT}:role/"
EXAMPLE = ROOT / "examples" / "authority.yaml"
Result = tuple[int, str, str]
Command = Callable[..., Result]


class FrontFunction:
    """A double of Lambda with the front function: records its payloads and runs `action`."""

    def __init__(self) -> None:
        self.payloads: list[dict[str, Any]] = []
        self.action: Callable[[], None] | None = None  # None: the function does not exist
        self.answer: dict[str, Any] = {}
        self.fails = False

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:
        assert FunctionName == "front"
        self.payloads.append(json.loads(Payload))
        if self.action is None:
            raise refuse("ResourceNotFoundException", "Invoke")
        self.action()
        error = {"FunctionError": "Unhandled"} if self.fails else {}
        return {"StatusCode": 200, "Payload": BytesIO(json.dumps(self.answer).encode()), **error}


def fine(result: Result) -> Any:
    """Return the JSON output of a command that succeeded without notes."""
    code, out, err = result
    assert (code, err) == (0, ""), result
    return json.loads(out)


def fine_with_notes(result: Result) -> Any:
    """Return the JSON output of a command that succeeded and printed notes."""
    code, out, err = result
    assert code == 0, result
    assert all(line.startswith("note: ") for line in err.splitlines()), result
    return json.loads(out)


def refused(result: Result, *lines: str) -> None:
    """Assert that the command printed one line per error and nothing else; with --json, one object of them."""
    code, out, err = result
    assert (code, out) == (2, ""), result
    if err.startswith("{"):
        found = json.loads(err)["errors"]
    else:
        assert all(line.startswith("evercert: ") for line in err.strip().splitlines()), result
        found = err.strip().splitlines()
    assert len(found) == len(lines), result
    assert all(part in line for line, part in zip(found, lines, strict=True)), result


def crl(*serials: int) -> bytes:
    """Return a CRL of these serial numbers, signed by an arbitrary CA."""
    now = datetime.now(UTC).replace(microsecond=0)
    builder = (
        x509.CertificateRevocationListBuilder().issuer_name(x509.Name.from_rfc4514_string("CN=Example"))
        .last_update(now).next_update(now + timedelta(days=7)).add_extension(x509.CRLNumber(1), critical=False)
    )  # fmt: skip
    for serial in serials:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build()
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(private_key("EC_prime256v1", 7_002), hashes.SHA256()).public_bytes(serialization.Encoding.DER)
