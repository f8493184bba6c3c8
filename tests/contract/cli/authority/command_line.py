"""Call `evercert authority …` in tests: types, assertions and a double of the front function."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from tests.doubles.strict_aws import refuse
from tests.samples.certificates import private_key
from tests.tools.local_stack import ACCOUNT, ROOT

ROLE = f"arn:aws:iam::{ACCOUNT}:role/"
EXAMPLE = ROOT / "examples" / "authority.yaml"
Said = tuple[int, str, str]
Command = Callable[..., Said]


class FrontFunction:
    """Lambda, with the one function that is invoked: what it was told, and what it does then."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.does: Callable[[], None] | None = None  # None: there is none

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:
        assert FunctionName == "front"
        self.told.append(json.loads(Payload))
        if self.does is None:
            raise refuse("ResourceNotFoundException", "Invoke")
        self.does()
        return {"StatusCode": 200}


def fine(said: Said) -> Any:
    """The JSON that it said, when all went well."""
    code, out, err = said
    assert (code, err) == (0, ""), said
    return json.loads(out)


def fine_with_notes(said: Said) -> Any:
    code, out, err = said
    assert code == 0, said
    assert all(line.startswith("note: ") for line in err.splitlines()), said
    return json.loads(out)


def refused(said: Said, *lines: str) -> None:
    """One line for each mistake, and nothing else."""
    code, out, err = said
    assert (code, out) == (2, ""), said
    found = err.strip().splitlines()
    assert len(found) == len(lines), said
    for line, part in zip(found, lines, strict=True):
        assert line.startswith("evercert: "), line
        assert part in line


def crl(*serials: int) -> bytes:
    """A list of these, by some CA."""
    now = datetime.now(UTC).replace(microsecond=0)
    builder = (
        x509.CertificateRevocationListBuilder().issuer_name(x509.Name.from_rfc4514_string("CN=Somebody"))
        .last_update(now).next_update(now + timedelta(days=7)).add_extension(x509.CRLNumber(1), critical=False)
    )  # fmt: skip
    for serial in serials:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build()
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(private_key("EC_prime256v1", 7_002), hashes.SHA256()).public_bytes(serialization.Encoding.DER)
