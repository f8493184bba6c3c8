"""The AWS CLI accepts the options of every command on the pages for services; its call reaches no server."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.tools.local_stack import CREDENTIALS, ENVIRONMENT, REGION, ROOT

PAGES = sorted((ROOT / "docs" / "how-to").glob("serve-*.md"))
COMMAND = re.compile(r"(?:^ *|`)(aws (?!cloudformation).*?)(?<!\\)(?:\n|`)", re.DOTALL | re.MULTILINE)
VALUES = {
    "load_balancer": f"arn:aws:elasticloadbalancing:{REGION}:111111111111:loadbalancer/app/web/1",
    "listener": f"arn:aws:elasticloadbalancing:{REGION}:111111111111:listener/app/web/1/2",
    "target_group": f"arn:aws:elasticloadbalancing:{REGION}:111111111111:targetgroup/web/1",
    "certificate": f"arn:aws:acm:{REGION}:111111111111:certificate/1",
}
FOUND = [
    pytest.param(command, id=" ".join(command.split()[1:3]))
    for page in PAGES
    for command in COMMAND.findall(page.read_text())
]


def test_pages_contain_commands() -> None:
    assert len(FOUND) >= 6


@pytest.mark.parametrize("command", FOUND)
def test_cli_accepts_the_command(command: str) -> None:
    done = subprocess.run(
        ["bash", "-euc", f"{command} --endpoint-url http://127.0.0.1:1"],
        env={"PATH": f"{ENVIRONMENT}/bin:/usr/bin:/bin", "AWS_DEFAULT_REGION": REGION, "AWS_MAX_ATTEMPTS": "1", **CREDENTIALS, **VALUES},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "Could not connect to the endpoint URL" in done.stderr, done.stderr
