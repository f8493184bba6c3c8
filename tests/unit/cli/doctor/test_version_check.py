"""Check of `doctor` that the command and the stack have the same version."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from evercert import __version__
from evercert.cli.doctor.stack_checks import Check, run
from evercert.cli.doctor.version_check import of_version

OLDER = f"the stack is older than 0.2.0; the command is {__version__}"


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ({"Version": __version__}, Check("version", "ok", __version__)),
        ({}, Check("version", "warning", OLDER, "upgrade the stack: docs/how-to/upgrade.md")),
        (
            {"Version": "9.0.0"},
            Check(
                "version",
                "warning",
                f"the stack is 9.0.0; the command is {__version__}",
                "upgrade the command to 9.0.0: docs/how-to/upgrade.md",
            ),
        ),
    ],
    ids=["same", "without a version", "newer stack"],
)
def test_doctor_compares_the_versions(outputs: dict[str, str], expected: Check) -> None:
    ((name, check),) = of_version(SimpleNamespace(outputs=outputs)).items()
    assert run(name, check) == [expected]
