"""Preconditions of a release."""

from __future__ import annotations

import re
from pathlib import Path

from tests.tools.release import stack
from tests.tools.release.commit import Commit

PACKAGE = Path("layers", "evercert", "evercert", "__init__.py")


def problem(clone: Path) -> str | None:
    """Return the first reason against a release, with the remedy, on one line."""
    if changes := Commit(clone).changes():
        more = f" and {len(changes) - 1} more" if changes[1:] else ""
        return f"{changes[0]}{more} not committed; commit or remove it"
    version = version_of(clone)
    if re.search(rf"^## {re.escape(version)}(?:\s|$)", (clone / "CHANGELOG.md").read_text(), re.MULTILINE) is None:
        return f"CHANGELOG.md has no section {version}; add one, or change the version in {PACKAGE}"
    deployed = re.search(
        r'^Outputs:\n  Version:\n.*\n    Value: "([^"]*)"', (clone / "template.yaml").read_text(), re.MULTILINE
    )
    if deployed is None or deployed[1] != version:
        return f"the output Version in template.yaml is not {version}; change it to the version in {PACKAGE}"
    if not stack.has_interpreter():
        install = f"uv python install {stack.VERSION}"
        return f"no Python {stack.VERSION} to compile the bytecode of the layers; install it: {install}"
    return None


def version_of(clone: Path) -> str:
    """Return the version of the package."""
    found = re.search(r'^__version__ = "([^"]+)"$', (clone / PACKAGE).read_text(), re.MULTILINE)
    if found is None:
        raise ValueError(f"{PACKAGE} has no __version__")
    return found[1]
