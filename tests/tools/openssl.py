"""What openssl says of keys and certificates: a second opinion, and not that of the library that made them."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path


class CheckFailed(Exception):
    """Something is not as it should be; the message says what."""


def verified(certificate: str, *, trusted: str, chain: str = "") -> str:
    """What openssl says of it; anything but success ends the demo."""
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder) / f"{name}.pem" for name in ("leaf", "trusted", "chain")}
        for name, text in zip(files, (certificate, trusted, chain), strict=True):
            files[name].write_text(text)
        how = ["-untrusted", str(files["chain"])] if chain else ["-partial_chain"]
        answer = openssl("verify", *how, "-trusted", str(files["trusted"]), str(files["leaf"]))
    return answer.strip().rsplit(": ", 1)[-1]


def public_key_of(private_key: str) -> str:
    return openssl("pkey", "-pubout", given=private_key)


def openssl(*arguments: str, given: str = "") -> str:
    done = subprocess.run(["openssl", *arguments], input=given, capture_output=True, text=True, timeout=20, check=False)
    require(done.returncode == 0, f"openssl {arguments[0]}: {done.stderr.strip()}")
    return done.stdout


def require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise CheckFailed(otherwise)
