"""Verify keys and certificates with openssl, independently of the library that created them."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path


class CheckFailed(Exception):
    """Failed check of the demo."""


def verify(certificate: str, *, trusted: str, chain: str = "") -> str:
    """Run `openssl verify` and return its result; raise CheckFailed on failure."""
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder) / f"{name}.pem" for name in ("leaf", "trusted", "chain")}
        for name, text in zip(files, (certificate, trusted, chain), strict=True):
            files[name].write_text(text)
        options = ["-untrusted", str(files["chain"])] if chain else ["-partial_chain"]
        answer = openssl("verify", *options, "-trusted", str(files["trusted"]), str(files["leaf"]))
    return answer.strip().rsplit(": ", 1)[-1]


def public_key_of(private_key: str) -> str:
    return openssl("pkey", "-pubout", given=private_key)


def openssl(*arguments: str, given: str = "") -> str:
    done = subprocess.run(["openssl", *arguments], input=given, capture_output=True, text=True, timeout=20, check=False)
    require(done.returncode == 0, f"openssl {arguments[0]}: {done.stderr.strip()}")
    return done.stdout


def require(condition: bool, message: str) -> None:
    if not condition:
        raise CheckFailed(message)
