"""Find the stack's tables, and remember them: a host that starts without a network uses the known ones."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from botocore.exceptions import ConnectionError as NoConnectionError
from botocore.exceptions import HTTPClientError

from evercert import json_parser
from evercert.cli.connection import describe
from evercert.errors import Misconfigured, Unavailable
from evercert.host.folder import Folder

FILE = "stack.json"


@dataclass(frozen=True)
class StackAddress:
    """The tables of a stack; `account` is the stack's. `consumers` is empty if the stack takes no acknowledgements."""

    stack: str
    region: str
    table: str
    account: str
    consumers: str = ""


def find(stack: str, region: str | None, state_directory: Path) -> StackAddress:
    """Return the address of the stack, the remembered one while AWS does not answer; raise as `describe` does."""
    try:
        found = describe(stack, region)
    except (Unavailable, Misconfigured) as error:
        known, is_offline = (
            remembered(state_directory),
            isinstance(error.__cause__, (NoConnectionError, HTTPClientError)),
        )
        if known is None or known.stack != stack or region not in (None, known.region):
            raise
        if isinstance(error, Misconfigured) and not is_offline:
            raise
        return known
    address = StackAddress(
        stack,
        found.owner.region,
        found.output("CertificatesTable"),
        found.owner.account,
        found.outputs.get("ConsumersTable", ""),
    )
    if remembered(state_directory) != address:
        with Folder.opened(state_directory, 0o700) as folder:
            folder.replace(FILE, json.dumps(asdict(address)).encode())
    return address


def remembered(state_directory: Path) -> StackAddress | None:
    """Return the address that an earlier start stored, or None."""
    try:
        found = json_parser.parse((state_directory / FILE).read_bytes())
        address = StackAddress(**found)
    except (OSError, ValueError, TypeError):
        return None
    return address if all(isinstance(value, str) for value in found.values()) else None
