"""The host that an agent document is read on."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from evercert.agent_host import Host

LARGEST = 65_536  # bytes: a CSR has 16 KiB at the most, a service account's key 3
_NO_SUCH = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP}


def here() -> Host:
    """The one that the command runs on."""
    return Host(os.environ, _file)


def _file(name: str) -> str | None:
    """Read no further than a file may be long: what is named could be a device."""
    if "\0" in name:
        return None
    try:
        with Path(name).open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        if error.errno in _NO_SUCH:
            return None
        raise
    if len(content) > LARGEST:
        raise OSError(errno.EFBIG, f"it has more than {LARGEST} bytes")
    return content.decode("utf-8-sig")
