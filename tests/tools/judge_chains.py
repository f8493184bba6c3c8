"""Judge certificate chains: `python -m tests.tools.judge_chains FILE` prints `id accepted|refused reason` per case.

FILE is JSON in the format of C2SP's x509-limbo. CRLs and depth limits of the cases are ignored. Standard error gets a
line for each verdict that differs from the expected one without a reason in `judge_differences`; the exit code is then 1.
"""

from __future__ import annotations

import ipaddress
import json
import sys
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509

from evercert.pki import der
from evercert.pki.path.fields import Fields
from evercert.pki.path.rules import CLIENT_AUTH, SERVER_AUTH
from evercert.pki.path.validation import validate
from tests.tools.judge_differences import DIFFERENCES

PURPOSES = {"SERVER": SERVER_AUTH, "CLIENT": CLIENT_AUTH}
TAGS = {"DNS": 0x82, "IP": 0x87, "RFC822": 0x81}


def verdict(case: dict[str, Any]) -> str | None:
    """Return why the chain of this case is refused, or None if it is accepted."""
    stated = case.get("validation_time")
    now = datetime.fromisoformat(stated) if stated else datetime.now(UTC)
    try:
        leaf = x509.load_pem_x509_certificate(case["peer_certificate"].encode())
        others, anchors = _certificates(case["untrusted_intermediates"]), _certificates(case["trusted_certs"])
        path = validate(leaf, others, now, anchors=anchors, purposes=[PURPOSES[case["validation_kind"]]], strict=True)
        fields = Fields(leaf)
    except (ValueError, x509.InvalidVersion) as error:
        return f"malformed: {error}"
    if path.faults:
        return "; ".join(map(str, path.faults))
    peer = case.get("expected_peer_name")
    if peer is not None and not any(_matches(name, peer["kind"], peer["value"]) for name in fields.alternative_names):
        return f"no alternative name matches {peer['value']}"
    return None


def _certificates(pems: list[str]) -> list[x509.Certificate]:
    found = []
    for pem in pems:
        try:
            found.append(x509.load_pem_x509_certificate(pem.encode()))
        except (ValueError, x509.InvalidVersion):
            continue  # it leads nowhere
    return found


def _matches(name: der.Element, kind: str, value: str) -> bool:
    """Return whether the name covers the peer (RFC 9525 §6): a wildcard covers one leftmost label."""
    if name.tag != TAGS[kind]:
        return False
    if kind == "IP":
        return name.content == ipaddress.ip_address(value).packed
    text, wanted = name.content.decode("ascii", "replace").lower(), value.lower()
    if kind == "DNS" and text.startswith("*."):
        return "." in text[2:] and wanted.partition(".")[2] == text[2:]
    return text == wanted


def judge(file: Path) -> Iterator[tuple[dict[str, Any], str | None]]:
    """Yield each case with the reason of its refusal, or None."""
    for case in json.loads(file.read_text())["testcases"]:
        yield case, verdict(case)


def main(file: str) -> int:
    """Print a line per case; return 1 if a verdict differs from the expected one without a reason."""
    unexplained = 0
    for case, why in judge(Path(file)):
        differs = (why is None) != (case["expected_result"] == "SUCCESS")
        reason = DIFFERENCES.get(case["id"], "") if differs else ""
        print(case["id"], f"accepted {reason}".rstrip() if why is None else f"refused {why}")
        if differs and not reason:
            unexplained += 1
            print(f"{case['id']}: expected {case['expected_result']}, without a reason", file=sys.stderr)
    return int(unexplained > 0)


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # of serial numbers that the cases get wrong on purpose
    sys.exit(main(sys.argv[1]))
