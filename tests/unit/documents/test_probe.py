"""The key `probe` of a document."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from evercert.documents.probe import Probe
from tests.doubles.fakes import spec


@pytest.mark.parametrize(
    ("written", "host", "port", "stored"),
    [
        ("www.example.com:443", "www.example.com", 443, "www.example.com:443"),
        ("WWW.Example.com:8443", "www.example.com", 8443, "www.example.com:8443"),
        ("bücher.example:443", "xn--bcher-kva.example", 443, "xn--bcher-kva.example:443"),
        ("10.0.0.7:5432", "10.0.0.7", 5432, "10.0.0.7:5432"),
        ("[2001:DB8::7]:443", "2001:db8::7", 443, "[2001:db8::7]:443"),
    ],
)
def test_probe_is_host_and_port(written: str, host: str, port: int, stored: str) -> None:
    probe = spec(probe=written).probe
    assert (probe.host, probe.port, str(probe), probe.is_name) == (
        host,
        port,
        stored,
        host.endswith(("com", "example")),
    )
    assert spec(probe=written).document()["probe"] == stored


def test_server_name_is_another_form() -> None:
    written = {"address": "10.0.0.7:443", "server-name": "WWW.example.com"}
    probe = spec(probe=written).probe
    assert (probe.server_name, str(probe)) == ("www.example.com", "10.0.0.7:443 (www.example.com)")
    assert spec(probe=written).document()["probe"] == {"address": "10.0.0.7:443", "server-name": "www.example.com"}
    assert spec(probe={"address": "10.0.0.7:443"}).document()["probe"] == "10.0.0.7:443"


@pytest.mark.parametrize(
    "written",
    [
        "www.example.com", "www.example.com:", ":443", "www.example.com:0", "www.example.com:65536", "https://a.example:443",
        "a.example:443/x", "user@a.example:443", "a b.example:443", "2001:db8::7:443", "127.1:443", "2130706433:443",
        "fe80::1%eth0:443", "[fe80::1%eth0]:443", "*.example.com:443", "a.example:443\n", "a.example:٤٤٣", "",
        "127.0.0.1:443", "169.254.169.254:80", "[::1]:443", "[::ffff:127.0.0.1]:443", "0.0.0.0:443",
        443, None, [], {"address": "a.example"}, {"server-name": "a.example"}, {"address": "a.example:443", "x": "y"},
        {"address": "a.example:443", "server-name": "*.example"}, {"address": "a.example:443", "server-name": "10.0.0.7"},
    ],
)  # fmt: skip
def test_anything_else_is_refused(written: Any) -> None:
    with pytest.raises(ValidationError):
        Probe.model_validate(written)
