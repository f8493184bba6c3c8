"""URIs by RFC 3986, and SPIFFE ids by their grammar."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evercert.pki.attributes import Attributes
from evercert.pki.identifiers import parse
from evercert.pki.uris import checked, conflict


@pytest.mark.parametrize(
    "uri",
    [
        "https://example.org",
        "https://user@example.org:8443/a/b;c=1?q=1&r=/#part",
        "https://[2001:db8::1]/x",
        "https://192.0.2.1/",
        "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66",
        "tag:example.org,2026:x",
        "mailto:a@example.org",
        "https://example.org/%C3%BC",
        "spiffe://example.org",
        "spiffe://example.org/ns/prod/sa/web-1.a_b",
    ],
)
def test_checked_accepts_uris(uri: str) -> None:
    assert checked(uri) == uri


@pytest.mark.parametrize(
    "uri",
    [
        "", "example.org", "//example.org/x", "https:", "https://", "1https://example.org", "https://exa mple.org",
        "https://example.org/a b", "https://example.org/<x>", "https://example.org/%zz", "https://example.org/%",
        'https://example.org/"', "https://example.org/\\x", "https://example.org/a|b", "https://exa{mple}.org",
        "https://example.org:port/", "https://[2001:db8::1/x", "https://example.org/#a#b", "https://example.org/ü",
        "https://[1::2::3]/", "https://a..b/", "https://a.b./x", "https://.a/", "https://%41.b/", "spiffe://a..b/c",
        "https://example.org/\n", "file:///etc/passwd",  # RFC 5280 wants a host after the slashes
    ],
)  # fmt: skip
def test_checked_refuses_other_text(uri: str) -> None:
    with pytest.raises(ValueError, match="is not a URI"):
        checked(uri)


def test_checked_refuses_a_password_without_quoting_it() -> None:
    with pytest.raises(ValueError, match="a URI with a password would be published") as caught:
        checked("https://user:s3cret@example.org/")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("spiffe://Example.org/a", "trust domain"),
        ("spiffe://example.org:443/a", "trust domain"),
        ("spiffe://user@example.org/a", "trust domain"),
        (f"spiffe://{'a' * 256}/a", "trust domain"),
        ("spiffe://example.org/", "path segments"),
        ("spiffe://example.org/a//b", "path segments"),
        ("spiffe://example.org/a/../b", "path segments"),
        ("spiffe://example.org/a/.", "path segments"),
        ("spiffe://example.org/a%20b", "path segments"),
        ("spiffe://example.org/a?b", "path segments"),
        ("spiffe://example.org/a#b", "path segments"),
        ("SPIFFE://example.org/a", "in lower case"),
        ("spiffe:example.org", "in lower case"),
        (f"spiffe://example.org/{'a' * 2048}", "longer than 2048"),
    ],
)
def test_checked_refuses_other_spiffe_ids(uri: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        checked(uri)


def test_conflict_allows_one_spiffe_id_and_no_other_uri() -> None:
    assert conflict(["https://a.example/", "https://b.example/"]) is None
    assert conflict(["spiffe://example.org/a"]) is None
    assert "no other URI" in str(conflict(["spiffe://example.org/a", "https://b.example/"]))


def test_attributes_refuse_two_spiffe_ids() -> None:
    with pytest.raises(ValueError, match="no other URI"):
        Attributes.model_validate({"alt-names": ["spiffe://example.org/a", "spiffe://example.org/b"]})


def test_parse_refuses_a_uri_by_its_grammar() -> None:
    assert parse("spiffe://example.org/web").kind == "uri"
    with pytest.raises(ValueError, match="path segments"):
        parse("spiffe://example.org//web")


@given(st.text(max_size=40))
def test_checked_raises_nothing_else(text: str) -> None:
    for value in (text, f"https://{text}", f"spiffe://{text}", f"x:{text}"):
        try:
            checked(value)
        except ValueError:
            continue
