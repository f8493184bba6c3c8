"""The validator in network namespaces: to which of the servers it really connects, by their own logs.

There is no local switch: names, addresses, routes and ports are as in a VPC. test_validation_network.py has the
rules for each address, and the limits of time and size.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.tools.local_stack import ROOT
from tests.tools.private_network import LIMIT, LISTED, METADATA, PATH, PRIVATE, PRIVATE_6, PUBLIC, command, obstacle
from tests.tools.validator_stage import FORMS, LOOPBACK, REDIRECTED, Result

NOT_LISTED = "not listed in the parameter ValidationNetworks"


@pytest.fixture(scope="module")
def results() -> dict[str, Result]:
    """Run all cases once; the namespaces end with the process."""
    if (why := obstacle()) is not None:
        assert os.environ.get("CI") != "true", why
        pytest.skip(why)
    stage = command(sys.executable, "-m", "tests.tools.validator_stage")
    done = subprocess.run(stage, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert done.returncode == 0, done.stderr
    return {name: Result(**found) for name, found in json.loads(done.stdout).items()}


@pytest.mark.parametrize("address", [PUBLIC, LISTED, PRIVATE, PRIVATE_6, *METADATA])
def test_servers_are_reachable_and_log(results: dict[str, Result], address: str) -> None:
    """A log without a line says something only if a connection would have written one."""
    assert results[f"reach-{address}"].connections == [address]


@pytest.mark.parametrize("address", LOOPBACK)
def test_loopback_of_the_validator_is_reachable(results: dict[str, Result], address: str) -> None:
    (found,) = results[f"reach-{address}"].connections
    assert found in {address, "127.0.0.1", "::1"} or address.endswith(found)


@pytest.mark.parametrize(
    ("case", "address"),
    [
        ("public", PUBLIC),
        ("private-listed", LISTED),
        ("private-address-listed", LISTED),
        ("private-6-listed", PRIVATE_6),
    ],
)
def test_allowed_address_is_validated(results: dict[str, Result], case: str, address: str) -> None:
    found = results[case]
    assert (found.status, found.connections) == ("valid", [address]), found


@pytest.mark.parametrize(
    "case", ["private", "private-other-listed", "private-address", "private-6", "public-and-private"]
)
def test_private_address_gets_no_connection(results: dict[str, Result], case: str) -> None:
    found = results[case]
    assert (found.status, found.connections) == ("invalid", []), found
    assert NOT_LISTED in found.logged
    assert not any(address in found.detail for address in (LISTED, PRIVATE, PRIVATE_6))  # which the client reads


def test_redirect_of_a_listed_host_to_itself_is_followed(results: dict[str, Result]) -> None:
    found = results["redirect-own"]
    assert (found.status, found.connections) == ("valid", [LISTED, LISTED]), found


@pytest.mark.parametrize("case", ["redirect-private", "redirect-listed", "redirect-name"])
def test_redirect_to_a_private_network_gets_no_connection(results: dict[str, Result], case: str) -> None:
    found = results[case]
    assert (found.status, set(found.connections)) == ("invalid", {PUBLIC}), found
    assert NOT_LISTED in found.logged
    assert not any(address in found.detail for address in (LISTED, PRIVATE, PRIVATE_6))  # which the client reads


@pytest.mark.parametrize("form", REDIRECTED)
def test_redirect_to_the_validator_gets_no_connection(results: dict[str, Result], form: str) -> None:
    found = results[f"redirect-{form}"]
    assert (found.status, set(found.connections)) == ("invalid", {PUBLIC}), found


@pytest.mark.parametrize("address", [LOOPBACK[0], METADATA[0]])
def test_listed_network_does_not_allow_the_validator(results: dict[str, Result], address: str) -> None:
    found = results[f"listed-{address}"]
    assert (found.status, found.connections) == ("invalid", []), found


@pytest.mark.parametrize("host", [*LOOPBACK, *METADATA, *FORMS])
def test_forbidden_address_gets_no_connection(results: dict[str, Result], host: str) -> None:
    """The operator has listed all networks; each address is one of a name, or another form of loopback in the URL."""
    found = results[f"load-{host}"]
    assert (found.status, found.connections) == ("connection", []), found


def test_namespaces_are_gone(results: dict[str, Result]) -> None:
    listing = ["ip", "netns", "list"]
    listed = subprocess.run(listing, env={"PATH": PATH}, capture_output=True, text=True, timeout=10, check=True)
    assert "hosts" not in listed.stdout.split()
