"""Start moto as a second emulator for the contract tests, independent of the first.

`python -m pytest tests/contract --aws moto` runs the tests on it. It has no Lambda for our functions and checks no
permissions.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.tools.local_stack import ACCOUNT, ROOT, Emulator, NotRunning, serve
from tests.tools.ports import free_port

LAUNCHER = ROOT / "tests" / "tools" / "moto_launcher.py"
ENVIRONMENT = ROOT / ".venv" / "moto"
# Arguments of pytest: the contract suites of DynamoDB, Secrets Manager, S3, Parameter Store, SQS, SNS, KMS and AWS Private CA, on moto. It
# neither verifies signatures nor trusts roles, so the suites of STS, of sessions and of other accounts are not among them; nor is ACM: its
# samples have fixed dates, and moto refuses expired certificates, as AWS does.
ON_MOTO = [
    "--aws",
    "moto",
    "tests/contract/aws",
    "tests/contract/destinations/test_secrets_manager.py",
    "tests/contract/destinations/test_stores.py",
    "tests/contract/destinations/test_value_formats.py",
    "--ignore=tests/contract/aws/test_session.py",
    "--ignore=tests/contract/aws/authority/test_sts.py",
    "--ignore=tests/contract/aws/authority/test_validation_namespaces.py",
]


@contextmanager
def moto() -> Iterator[Emulator]:
    """Start moto on a free loopback port with a clean environment; stop it at the end."""
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        raise NotRunning(f"{python} is missing; run: make setup")
    port = free_port()
    command: list[str | Path] = [python, "-P", LAUNCHER, str(port)]
    with serve(command, port, "/moto-api/data.json", {"MOTO_ACCOUNT_ID": ACCOUNT}) as running:
        yield running
