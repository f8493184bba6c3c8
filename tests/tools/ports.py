"""Free ports for servers of the tests."""

from __future__ import annotations

import random
import socket
from contextlib import suppress


def free_port() -> int:
    """Return a free loopback port that no outgoing connection takes: it is below the range of ephemeral ports."""
    for _ in range(100):
        port = random.randrange(15_000, 32_000)  # Linux: from 32768, macOS: from 49152
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no free port on loopback")
