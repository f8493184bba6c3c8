"""Refuse a runtime or an architecture that the layers were not built for, before an import fails unclearly.

`layers/build.py` writes the target into the file `target` beside this module. A checkout has no such file.
"""

from __future__ import annotations

import os
import sys

_ARCHITECTURES = {"aarch64": "arm64"}


def running_target() -> str:
    """Return the runtime and architecture of this process, in the form of EVERCERT_TARGET."""
    machine = os.uname().machine  # the module platform costs milliseconds
    return f"python{sys.version_info.major}.{sys.version_info.minor}-{_ARCHITECTURES.get(machine, machine)}"


def built_target(folder: str) -> str | None:
    """Return what the layer in this folder was built for, or None in a checkout."""
    try:
        with open(os.path.join(folder, "target")) as file:  # noqa: PTH118, PTH123 (pathlib costs milliseconds)
            return file.read()
    except FileNotFoundError:
        return None


def require_target(built: str | None, running: str) -> None:
    """Raise ImportError unless this process is what the layers were built for."""
    if built in {None, running}:
        return
    runtime, _, architecture = str(built).partition("-")
    raise ImportError(
        f"cannot start: the layers were built for {built}, and the function runs on {running}; build them with "
        f"EVERCERT_TARGET={running}, or deploy with Runtime={runtime} Architecture={architecture}"
    )


require_target(built_target(os.path.dirname(__file__)), running_target())  # noqa: PTH120
