"""Use a certificate of evercert in a Lambda function, for example as a client certificate.

The function reads the secret again after five minutes, so it needs no event. It uses the AWS Parameters and Secrets
Lambda Extension if that is a layer of the function, and boto3 otherwise.
"""

from __future__ import annotations

import json
import os
import ssl
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path

SECRET = os.environ.get("CERTIFICATE_SECRET", "evercert/certificates/web")
KEEP_SECONDS = 300
RETRY_SECONDS = 30
_kept: list[tuple[float, ssl.SSLContext]] = []


def context() -> ssl.SSLContext:
    """Return a TLS context for clients with the certificate and its key."""
    now = time.monotonic()
    if not _kept or now >= _kept[0][0] + KEEP_SECONDS:
        try:
            _kept[:] = [(now, _load(json.loads(_read())))]
        except Exception as error:
            if not _kept:
                raise
            print(f"cannot read {SECRET} again, keeping the certificate: {type(error).__name__}")  # to the log
            _kept[:] = [(now - KEEP_SECONDS + RETRY_SECONDS, _kept[0][1])]
    return _kept[0][1]


def _read() -> str:
    port = os.environ.get("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT")
    if port is None:
        import boto3  # noqa: PLC0415 (not needed with the extension)

        return str(boto3.client("secretsmanager").get_secret_value(SecretId=SECRET)["SecretString"])
    request = urllib.request.Request(
        f"http://localhost:{port}/secretsmanager/get?secretId={urllib.parse.quote(SECRET, safe='')}",
        headers={"X-Aws-Parameters-Secrets-Token": os.environ["AWS_SESSION_TOKEN"]},
    )
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
        return str(json.load(answer)["SecretString"])


def _load(value: dict[str, str]) -> ssl.SSLContext:
    """Load the pair; the ssl module reads files only, so the directory exists for this moment."""
    made = ssl.create_default_context()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pair.pem"
        file.touch(mode=0o600)
        file.write_text(value["fullchain"] + value["private_key"])
        made.load_cert_chain(file)
    return made
