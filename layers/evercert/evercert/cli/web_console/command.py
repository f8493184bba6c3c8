"""Command `console`: pages about the stack in a browser."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evercert import __version__
from evercert.cli import terminal
from evercert.cli.files import BadInput
from evercert.cli.terminal import Region, Stack
from evercert.errors import Misconfigured
from evercert.issuers import ISSUERS

if TYPE_CHECKING:
    from evercert.cli.connection import Connection
    from evercert.cli.web_console.event_feed import QueueFeed
    from evercert.console.services import Services

LARGEST = 65_536  # bytes of a CA bundle
PACKAGES = ("jinja2", "multipart", "starlette", "uvicorn")
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port on loopback. Default: any free one.")]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Print the address without opening a browser.")]
Numeric = Annotated[
    bool,
    typer.Option(
        "--numeric",
        help="Print 127.0.0.1 instead of a name below localhost that some browsers do not resolve.",
    ),
]
CABundle = Annotated[
    Path | None,
    typer.Option(
        "--ca-bundle",
        metavar="FILE",
        help="PEM file with the CAs of the authority's TLS certificate, if they are private.",
    ),
]
ReadOnly = Annotated[
    bool, typer.Option("--read-only", help="Hide all actions, and the events, which would create a queue.")
]


def console(
    *,
    port: Port = 0,
    no_browser: NoBrowser = False,
    numeric: Numeric = False,
    read_only: ReadOnly = False,
    ca_bundle: CABundle = None,
    stack: Stack = "evercert",
    region: Region = None,
) -> None:
    """Serve pages about the stack to your browser, on this machine and with your permissions, until Ctrl-C."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise Misconfigured("the console's packages are missing: install evercert[console]")
    from evercert.cli.web_console.event_feed import feed_of  # noqa: PLC0415 (AWS's library is slow to load)
    from evercert.console.rendering import FOLDER  # noqa: PLC0415
    from evercert.console.server import serve  # noqa: PLC0415

    if not (FOLDER / "static" / "vendor").is_dir():
        terminal.notes(["this checkout has no scripts for the pages; to build them, install npm and run: make setup"])
    trusted = _read_bundle(ca_bundle)
    connection = terminal.connect(stack, region)
    feed = feed_of(connection)
    found = services(connection, None if read_only else feed, read_only=read_only, ca_bundle=trusted)
    try:
        announce = partial(_announce, opens=not no_browser)
        serve(found, port, open_browser=not no_browser, announce=announce, numeric=numeric)
    finally:
        terminal.notes(feed.close())


def services(
    connection: Connection, feed: QueueFeed | None, *, read_only: bool, ca_bundle: str | None = None
) -> Services:
    """Return the services of a connected stack."""
    from evercert.cli import consumers  # noqa: PLC0415
    from evercert.cli.pauses import pause_refusal  # noqa: PLC0415
    from evercert.cli.web_console import documents, stack_authority  # noqa: PLC0415
    from evercert.cli.web_console.stack_doctor import StackDoctor  # noqa: PLC0415
    from evercert.console.services import Services  # noqa: PLC0415

    return Services(
        stack=connection.name,
        region=connection.owner.region,
        specs=connection.specs,
        queue=connection.queue,
        issuers=ISSUERS,
        clock=terminal.now,
        documents=documents.Documents(connection),
        doctor=StackDoctor(connection),
        events=feed,
        consumers=partial(consumers.load, connection),
        authority=stack_authority.of(connection, ca_bundle),
        version=__version__,
        read_only=read_only,
        pause_refusal=pause_refusal(connection),
    )


def _read_bundle(file: Path | None) -> str | None:
    """Return the certificates of the file; raise BadInput if it has none."""
    if file is None:
        return None
    from evercert.http_client import trust  # noqa: PLC0415 (slow to load)

    try:
        with file.open("rb") as opened:
            found = opened.read(LARGEST + 1)
    except OSError as error:
        raise BadInput([f"cannot read {file}: {error.strerror}"]) from error
    if len(found) > LARGEST:
        raise BadInput([f"{file}: exceeds 64 KiB: write only the CAs of the authority's server into it"])
    text = found.decode("ascii", "replace")
    if (problem := trust.problem(text)) is not None:
        raise BadInput([f"{file}: {problem}"])
    return text


def _announce(address: str, *, opens: bool) -> None:
    terminal.out.print(address)
    what = "if your browser does not open, open this address in it" if opens else "open this address in your browser"
    terminal.notes([f"{what}; it works once; press Ctrl-C to stop the console"])
