"""The last resort: an unforeseen exception ends in one line and a file for its report."""

from __future__ import annotations

import os
import platform
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from evercert import __version__
from evercert.timestamps import to_text

KEPT = 10  # reports in the folder of the user
MOST_CAUSES = 10
MOST_FRAMES = 60


def report(error: BaseException) -> str:
    """Write a report and return the line for the user."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    problem = f"a bug in evercert: {type(error).__name__}{place}"
    file = _write(_text(error))
    if file is None:
        return f"{problem}; please report it with this line (no folder is writable for a report file)"
    return f"{problem}; please report it with the file {file}"


def _text(error: BaseException) -> str:
    """Return versions and traceback, without the messages of exceptions, which could contain a secret."""
    parts = [
        f"evercert {__version__}, Python {platform.python_version()}, {platform.platform()}",
        to_text(datetime.now(UTC)),
    ]
    for cause in _causes(error):
        frames = traceback.extract_tb(cause.__traceback__)
        parts += ["", f"{type(cause).__module__}.{type(cause).__qualname__}"]
        if len(frames) > MOST_FRAMES:
            parts.append(f"  ({len(frames) - MOST_FRAMES} more calls)")
        parts += [f"  {frame.filename}:{frame.lineno} {frame.name}: {frame.line}" for frame in frames[-MOST_FRAMES:]]
    return "\n".join(parts) + "\n"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the exception and its causes."""
    for _ in range(MOST_CAUSES):
        if error is None:
            return
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _write(text: str) -> Path | None:
    """Write the report to the user's folder for state, or to the temporary folder; return None if neither works."""
    state = Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state").expanduser() / "evercert"
    for folder in (state, None):
        with suppress(OSError, RuntimeError):  # RuntimeError: the user has no home folder
            if folder is not None:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                _tidy(folder)
            handle, name = tempfile.mkstemp(
                ".txt", f"evercert-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-", folder
            )  # mode 0600
            with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
            return Path(name)
    return None


def _tidy(folder: Path) -> None:
    """Delete the oldest reports, so that a failing cron job does not fill the disk."""
    for old in sorted(folder.glob("evercert-*.txt"))[: -KEPT + 1]:
        old.unlink()
