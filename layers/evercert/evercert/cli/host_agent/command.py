"""Command `evercert agent`."""

from __future__ import annotations

import os
import signal
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evercert import durations
from evercert.cli import arguments, terminal
from evercert.cli.files import BadInput
from evercert.cli.host_agent import configuration
from evercert.cli.host_agent.logs import Format, HostLog
from evercert.cli.terminal import Region, Stack
from evercert.errors import EvercertError

if TYPE_CHECKING:
    from evercert.host.follower import Follower

SHORTEST, LONGEST = timedelta(seconds=10), timedelta(days=1)
ROOT_DIRECTORY = Path("/var/lib/evercert")
Config = Annotated[
    str,
    typer.Option("--config", metavar="FILE", help="The Infisical agent's file, version v1 or v2, with file-output."),
]
Once = Annotated[bool, typer.Option("--once", help="Check every certificate once and exit: 0 if all are well, else 1.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would be installed, and exit.")]
Queue = Annotated[str | None, typer.Option(metavar="URL", help="Queue of this host, subscribed to the stack's topic.")]
Interval = Annotated[str, typer.Option(help="Time between two checks of a certificate, such as 5m.")]
StateDirectory = Annotated[
    Path | None,
    typer.Option(
        envvar="EVERCERT_STATE_DIRECTORY",
        help="Folder of the agent's state; default: /var/lib/evercert for root, else ~/.local/state/evercert.",
    ),
]
Acknowledge = Annotated[
    bool, typer.Option("--acknowledge", help="Tell the stack what this host has loaded (parameter Acknowledgements).")
]
HealthFile = Annotated[Path | None, typer.Option(metavar="FILE", help="Write the health of all certificates as JSON.")]
HealthPort = Annotated[
    int | None, typer.Option(metavar="PORT", min=1, max=65_535, help="Answer health checks on 127.0.0.1: 200 or 503.")
]
LogFormat = Annotated[Format, typer.Option("--log-format", help="Format of the log lines.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Print the facts of each log line, too.")]


def agent(
    config: Config = "certificate-agent-config.yaml",
    *,
    once: Once = False,
    dry_run: DryRun = False,
    queue: Queue = None,
    acknowledge: Acknowledge = False,
    interval: Interval = "5m",
    state_directory: StateDirectory = None,
    health_file: HealthFile = None,
    health_port: HealthPort = None,
    log_format: LogFormat = "text",
    verbose: Verbose = False,
    stack: Stack = "evercert",
    region: Region = None,
) -> None:
    """Write the certificates of the stack to files of this host, and run the hooks of the agent's file."""
    found, log = configuration.read(config), HostLog(log_format, verbose=verbose)
    pause = _interval(interval)
    directory = state_directory or _default_directory()
    for note in found.notes:
        log.info(note)
    from evercert.cli.host_agent.service import Service  # noqa: PLC0415 (boto3 is slow to import)

    service = Service(found.certificates, directory, log, stack, region)
    service.acknowledges = acknowledge and not dry_run
    if dry_run:
        _plan(service.followers())
        return
    with service.locked():
        agent = service.agent(pause, health_file)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: agent.stop())
        if once:
            if not agent.check_all():
                raise typer.Exit(terminal.FAILED)
            return
        with service.serving(agent, health_port, queue):
            agent.run()


def _plan(followers: list[Follower]) -> None:
    """Print what each certificate needs; exit with FAILED if one of them would fail."""
    failed = False
    for follower in followers:
        try:
            terminal.out.print(f"{follower.certificate.name}: {follower.plan()}")
        except EvercertError as error:
            failed = True
            terminal.errors([f"{follower.certificate.name}: {error}"], as_json=False)
    terminal.out.print("no certificate was installed (--dry-run)")
    if failed:
        raise typer.Exit(terminal.FAILED)


def _interval(text: str) -> timedelta:
    found = arguments.span(text, "--interval")
    if not SHORTEST <= found <= LONGEST:
        bounds = f"{durations.to_text(SHORTEST)} to {durations.to_text(LONGEST)}"
        raise BadInput([f"invalid --interval {text}: must be {bounds}"])
    return found


def _default_directory() -> Path:
    if os.geteuid() == 0:
        return ROOT_DIRECTORY
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "evercert"
