"""Tests of issuer addresses, allowed hosts and forbidden networks."""

from __future__ import annotations

import ipaddress

import pytest

from evercert.errors import Misconfigured
from evercert.origins import Hosts, Origin, forbidden, path_of


@pytest.mark.parametrize(
    ("address", "canonical"),
    [
        ("https://app.infisical.com", "https://app.infisical.com"),
        ("HTTPS://App.Infisical.COM:443/api/", "https://app.infisical.com"),
        ("https://app.infisical.com:8443", "https://app.infisical.com:8443"),
        ("http://localhost:80", "http://localhost"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://BÜCHER.example", "https://xn--bcher-kva.example"),
        ("https://192.0.2.1/api", "https://192.0.2.1"),
        ("https://[2001:DB8::0:1]:8443", "https://[2001:db8::1]:8443"),
    ],
)
def test_origin_is_normalized(address: str, canonical: str) -> None:
    assert str(Origin.of(address)) == canonical
    assert Origin.of(address) == Origin.of(canonical)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://a.example", "http://a.example"),
        ("https://a.example", "https://a.example:444"),
        ("https://a.example", "https://b.example"),
        ("https://a.example", "https://a.example.evil.test"),
    ],
)
def test_origin_differs_by_scheme_port_and_host(one: str, other: str) -> None:
    assert Origin.of(one) != Origin.of(other)


@pytest.mark.parametrize(
    "address",
    [
        "", "app.infisical.com", "ftp://a.example", "https://", "https:///api", "https://a.example:0", "https://a.example:65536",
        "https://a.example:x", "https://a b.example", "https://127.1", "https://2130706433", "https://*.example.com", "https://[::1",
        "https://a..example", "https://a.example\x1b[2J", "javascript:alert(1)", "https://[fe80::1%25eth0]",
    ],
)  # fmt: skip
def test_origin_refuses_invalid_addresses_with_an_example(address: str) -> None:
    with pytest.raises(Misconfigured) as raised:
        Origin.of(address)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize(
    "address",
    [
        "https://user:canary@a.example",
        "https://a.example?token=canary",
        "https://a.example/#canary",
        "htps://user:canary@a.example",
        "user:canary@a.example",
        "htps://a.example?token=canary",
        "a.example#canary",
        "https:/user:canary@a.example",
    ],
)
def test_origin_error_never_quotes_credentials(address: str) -> None:
    with pytest.raises(Misconfigured, match="remove them") as raised:
        Origin.of(address)
    assert "canary" not in str(raised.value)


@pytest.mark.parametrize(
    ("address", "path"),
    [("https://a.example", ""), ("https://a.example/", ""), ("https://a.example/api/", "/api"), ("https://a.example/x/api", "/x/api")],
)  # fmt: skip
def test_path_has_no_trailing_slash(address: str, path: str) -> None:
    assert path_of(address) == path


@pytest.mark.parametrize("path", ["/a/../b", "/./a", "/a//b", "/a%2fb", "/a\\b", "/ä"])
def test_path_refuses_ambiguous_paths(path: str) -> None:
    with pytest.raises(Misconfigured):
        path_of(f"https://a.example{path}")


@pytest.mark.parametrize(
    ("hosts", "address", "allowed"),
    [
        ("a.example", "https://a.example", True),
        ("a.example", "https://A.EXAMPLE:8443", True),
        ("a.example", "https://b.example", False),
        ("a.example", "https://x.a.example", False),
        ("a.example", "https://aa.example", False),
        ("a.example:8443", "https://a.example:8443", True),
        ("a.example:8443", "https://a.example", False),
        ("a.example:443", "https://a.example", True),
        ("*.a.example", "https://x.a.example", True),
        ("*.a.example", "https://x.y.a.example", True),
        ("*.a.example", "https://a.example", False),
        ("*.a.example", "https://xa.example", False),
        ("*.a.example:8443", "https://x.a.example:8443", True),
        ("*.a.example:8443", "https://x.a.example", False),
        ("b.example, a.example", "https://a.example", True),
        ("bücher.example", "https://xn--bcher-kva.example", True),
        ("192.0.2.1", "https://192.0.2.1", True),
        ("[2001:db8::1]:8443", "https://[2001:db8:0::1]:8443", True),
        ("[2001:db8::1]", "https://[2001:db8::1]", True),
        ("2001:db8::1", "https://[2001:db8::1]", False),
        ("", "https://a.example", False),
    ],
)
def test_hosts_allow_listed_origins_only(hosts: str, address: str, allowed: bool) -> None:
    if hosts == "2001:db8::1":
        with pytest.raises(Misconfigured, match="IssuerHosts"):
            Hosts.of(hosts)
        return
    assert Hosts.of(hosts).allow(Origin.of(address)) is allowed


@pytest.mark.parametrize("entry", ["*", "*.", "*.com", "a.*.example", "https://a.example", "a.example/x", "a.example:0", "a.example:x", "a.example:99999", "a b", "user@a.example"])  # fmt: skip
def test_hosts_refuse_invalid_entries(entry: str) -> None:
    with pytest.raises(Misconfigured, match="IssuerHosts"):
        Hosts.of(entry)


@pytest.mark.parametrize(
    "address", ["10.0.0.1", "172.16.0.1", "192.168.1.1", "fd12::1", "93.184.216.34", "2606:4700::1", "100.64.0.1"]
)
def test_forbidden_allows_private_networks(address: str) -> None:
    assert forbidden(ipaddress.ip_address(address)) is None


def test_forbidden_allows_only_loopback_if_local() -> None:
    for address in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
        assert forbidden(ipaddress.ip_address(address))
        assert forbidden(ipaddress.ip_address(address), local=True) is None
    for address in ("169.254.169.254", "0.0.0.0", "fd00:ec2::254", "fd00:ec2::23", "::ffff:169.254.169.254"):
        assert forbidden(ipaddress.ip_address(address), local=True)
