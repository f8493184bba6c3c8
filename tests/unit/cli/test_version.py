"""The command `version`, alone and with a stack."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from evercert import __version__
from evercert.cli import app as program
from evercert.cli import terminal
from evercert.cli.connection import described
from evercert.cli.stack_version import OUTPUT, difference, version_of

OTHER = "0.0.1"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the command against a stack with these outputs; return exit code, output and the stack's name."""

    def with_outputs(outputs: dict[str, str], *arguments: str) -> tuple[int, str, list[str]]:
        asked = []

        def describe(stack: str, region: str | None) -> Any:
            asked.append(stack)
            listed = [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]
            return described(stack, SimpleNamespace(), {"StackId": "id", "StackStatus": "x", "Outputs": listed})

        monkeypatch.setattr(terminal, "describe", describe)
        monkeypatch.setattr("sys.argv", ["evercert", *arguments])
        with pytest.raises(SystemExit) as caught:
            program.run()
        captured = capsys.readouterr()
        return int(caught.value.code or 0), captured.out + captured.err, asked

    return with_outputs


def outputs(version: str | None) -> dict[str, str]:
    return {"CertificatesTable": "table", **({} if version is None else {OUTPUT: version})}


@pytest.mark.parametrize("arguments", [["version"], ["--version"], ["version", "--region", "eu-west-1"]])
def test_version_alone_contacts_no_stack(run: Any, monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    monkeypatch.setenv("EVERCERT_STACK", "test")
    assert run({}, *arguments) == (0, f"evercert {__version__}\n", [])


@pytest.mark.parametrize(
    ("arguments", "variable", "name"),
    [
        (["version", "--stack", "web"], "", "web"),
        (["--stack", "web", "version"], "test", "web"),
        (["version", "--stack"], "test", "test"),
        (["version", "--stack"], "", "evercert"),
    ],
    ids=["named", "before the command", "from the environment", "default"],
)
def test_version_shows_both_sides(
    run: Any, monkeypatch: pytest.MonkeyPatch, arguments: list[str], variable: str, name: str
) -> None:
    monkeypatch.setenv("EVERCERT_STACK", variable)
    assert run(outputs(__version__), *arguments) == (
        0,
        f"evercert {__version__}\nstack {name}: {__version__}\n",
        [name],
    )


@pytest.mark.parametrize(
    ("stack", "lines"),
    [
        (
            OTHER,
            f"stack web: {OTHER}\nThe versions differ; upgrade the stack to {__version__}: docs/how-to/upgrade.md\n",
        ),
        ("9.0.0", "stack web: 9.0.0\nThe versions differ; upgrade the command to 9.0.0: docs/how-to/upgrade.md\n"),
        (
            None,
            (
                "stack web: version unknown (older than 0.2.0)\n"
                "The versions differ; upgrade the stack: docs/how-to/upgrade.md\n"
            ),
        ),
    ],
    ids=["older stack", "newer stack", "stack without a version"],
)
def test_version_says_what_to_upgrade(run: Any, stack: str | None, lines: str) -> None:
    assert run(outputs(stack), "version", "--stack", "web") == (0, f"evercert {__version__}\n{lines}", ["web"])


@pytest.mark.parametrize(
    ("stack", "remedy"),
    [
        (__version__, None),
        (OTHER, f"upgrade the stack to {__version__}: docs/how-to/upgrade.md"),
        (None, "upgrade the stack: docs/how-to/upgrade.md"),
    ],
    ids=["same", "older stack", "stack without a version"],
)
def test_version_prints_both_sides_as_json(run: Any, stack: str | None, remedy: str | None) -> None:
    code, out, _ = run(outputs(stack), "version", "--stack", "--json")
    found = {"version": __version__, "stack": {"name": "evercert", "version": stack}}
    assert (code, json.loads(out)) == (0, {**found, "same": remedy is None, "remedy": remedy})


def test_version_refuses_other_stacks(run: Any) -> None:
    code, out, _ = run({OUTPUT: "1.0"}, "version", "--stack", "web")
    assert (code, out.partition(":")[2].strip().partition(":")[0]) == (1, "stack web has no output 'CertificatesTable'")


@pytest.mark.parametrize(
    ("stack", "command", "upgraded"),
    [
        ("0.9.0", "0.10.0", "stack"),
        ("0.10.0", "0.9.0", "command"),
        ("1.0", "1.0.0", "stack"),
        ("", "1.0.0", "stack"),
    ],
)
def test_difference_compares_numbers(stack: str, command: str, upgraded: str) -> None:
    found = difference(stack, command)
    assert found is not None and found.remedy.startswith(f"upgrade the {upgraded}")


def test_version_of_a_stack_is_printable() -> None:
    assert version_of({OUTPUT: "1\x1b[31m" + "0" * 100}) is not None
    assert "\x1b" not in str(version_of({OUTPUT: "1\x1b[31m"})) and len(str(version_of({OUTPUT: "0" * 100}))) <= 60
