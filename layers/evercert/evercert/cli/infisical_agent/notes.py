"""Notes about an agent document, each printed once with the numbers of the certificates that it concerns."""

from __future__ import annotations

from evercert.documents.document import Path, Problem

_MOST_NUMBERS = 5


class Notes:
    """Notes, each printed once with the numbers of all certificates that it concerns."""

    def __init__(self) -> None:
        self._paths: dict[str, list[Path]] = {}

    def add(self, message: str, *path: str | int) -> None:
        """Add a note; `path` is the place in the agent's document."""
        self._paths.setdefault(message, []).append(path)

    def all(self) -> list[Problem]:
        """Return each note once, at the first place that it concerns."""
        return [Problem(paths[0], f"{_numbers(paths)}{message}") for message, paths in self._paths.items()]


def _numbers(paths: list[Path]) -> str:
    numbers = sorted({path[1] + 1 for path in paths if len(path) > 1 and isinstance(path[1], int)})
    if not numbers:
        return ""
    if len(numbers) > _MOST_NUMBERS:
        return f"{len(numbers)} certificates: "
    return f"certificate{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}: "
