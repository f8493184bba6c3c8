"""Tell systemd that the service is ready and alive (sd_notify(3)); does nothing elsewhere."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from time import monotonic

NOTHING = float("inf")


class Systemd:
    """The service manager of this process, by the variables that it sets."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self.interval = NOTHING
        with suppress(ValueError):
            if environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid()):
                self.interval = int(environment.get("WATCHDOG_USEC", "")) / 1_000_000 / 3
        self._last = -NOTHING

    def ready(self, status: str) -> None:
        """Report that the agent is ready."""
        self._send(f"READY=1\nSTATUS={status}")

    def status(self, text: str) -> None:
        """Set the line that `systemctl status` shows."""
        self._send(f"STATUS={text}")

    def stopping(self) -> None:
        """Report that the agent is stopping."""
        self._send("STOPPING=1")

    def beat(self) -> None:
        """Report that the agent is alive, at a third of the watchdog's time; may be called often."""
        if monotonic() - self._last >= self.interval:
            self._last = monotonic()
            self._send("WATCHDOG=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as connection:
            connection.settimeout(1)
            connection.sendto(message.encode(), address)
