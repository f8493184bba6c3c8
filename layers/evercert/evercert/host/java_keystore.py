"""Java key stores of type JKS, which only Java's own `keytool` writes."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from evercert.errors import Misconfigured

LIMIT = 60  # seconds
VARIABLE = "EVERCERT_STORE_PASSPHRASE"


def convert(pkcs12: bytes, passphrase: str) -> bytes:
    """Return a PKCS #12 store as JKS, with the same passphrase for store and key; raise Misconfigured if it fails.

    The files in between are in a private folder; the passphrase is in no argument.
    """
    with tempfile.TemporaryDirectory(prefix="evercert-") as folder:
        source, target = Path(folder) / "store.p12", Path(folder) / "store.jks"
        source.touch(mode=0o600)
        source.write_bytes(pkcs12)
        command = ["keytool", "-importkeystore", "-noprompt", "-srckeystore", str(source), "-srcstoretype", "PKCS12"]
        command += ["-srcstorepass:env", VARIABLE, "-destkeystore", str(target), "-deststoretype", "JKS"]
        command += ["-deststorepass:env", VARIABLE, "-destkeypass:env", VARIABLE]
        try:
            done = subprocess.run(  # noqa: S603 (no text of others)
                command,
                env={**os.environ, VARIABLE: passphrase, "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=LIMIT,
                check=False,
            )
        except FileNotFoundError:
            raise Misconfigured(
                "no program keytool on this host: install Java, or write pkcs12, which Java reads"
            ) from None
        except subprocess.TimeoutExpired:
            raise Misconfigured(f"keytool did not end within {LIMIT} seconds; write pkcs12, which Java reads") from None
        if done.returncode != 0:
            why = f"keytool failed with exit code {done.returncode}"
            raise Misconfigured(f"{why}: check Java on this host, or write pkcs12, which Java reads")
        return target.read_bytes()
