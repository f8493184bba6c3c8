"""Log lines of the agent: text for people and journald, JSON for collectors."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Literal

from evercert.cli import terminal
from evercert.cli.console import Terminal
from evercert.timestamps import to_text

Format = Literal["text", "json"]


class HostLog:
    """Writes one line for each fact, about one certificate or the agent itself."""

    def __init__(self, form: Format, certificate: str | None = None, *, verbose: bool = False) -> None:
        self._form: Format = form
        self._certificate = certificate
        self._verbose = verbose

    def of(self, certificate: str) -> HostLog:
        """Return the log of one certificate."""
        return HostLog(self._form, certificate, verbose=self._verbose)

    def info(self, message: str, **facts: object) -> None:
        """Write what happened."""
        self._write("info", message, facts, terminal.out)

    def error(self, message: str, **facts: object) -> None:
        """Write what failed."""
        self._write("error", message, facts, terminal.err)

    def _write(self, level: str, message: str, facts: dict[str, object], stream: Terminal) -> None:
        with suppress(OSError):  # a full disk must not end the agent
            self._print(level, message, facts, stream)

    def _print(self, level: str, message: str, facts: dict[str, object], stream: Terminal) -> None:
        found = {key: value for key, value in facts.items() if value not in (None, "")}
        if self._form == "json":
            about = {} if self._certificate is None else {"certificate": self._certificate}
            stream.json({"at": to_text(datetime.now(UTC)), "level": level, **about, "message": message, **found})
        else:
            details = " ".join(f"{key}={value}" for key, value in found.items() if self._verbose or key == "output")
            parts = [self._certificate and f"{self._certificate}:", message, details and f"({details})"]
            stream.print(" ".join(part for part in parts if part))
