"""Remedies of mistaken names: one row for each, and no proposal that is not a valid name itself."""

from __future__ import annotations

import pytest

from evercert.pki import common_name, name_mistakes
from evercert.pki.address_mistakes import Mistake
from evercert.pki.identifiers import parse, parse_valid
from tests.samples.mistaken_names import MISTAKEN_NAMES


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${HOST}", "has a placeholder; was the document rendered?"),
        ("'www.example.com'", "has quotes in the value; write www.example.com"),
        ("mailto:ops@example.com", "is a URL (mailto:), not an e-mail address; write ops@example.com"),
        ("mailto:x", "is a URL (mailto:), not an e-mail address; write an address such as ops@example.com"),
        ("Ops <ops@example.com>", "has angle brackets; write ops@example.com"),
        ("https://www.example.com/x", "is a URL, not a host; write www.example.com"),
        ("DNS:www.example.com", "has the prefix 'DNS:'; write www.example.com"),
        (
            "DNS:a.example.com,DNS:b.example.com",
            "has the prefix 'DNS:'; write one item for each name: a.example.com, b.example.com",
        ),
        (
            "RID:1.2",
            "has the prefix 'RID', a kind of name that evercert does not request; write a DNS name, an IP address, a URI or an e-mail address",
        ),
        ("DNS:192.0.2.1-9", "is a range of addresses; write each address: certificates contain single addresses"),
        (
            "(192.0.2.0/24)",
            "is a network (CIDR), not an address; write each address: certificates contain single addresses",
        ),
        ("CN=www.example.com", "has the prefix 'CN='; write www.example.com"),
        ("O=x,CN=www.example.com", "is a distinguished name, not a host; write www.example.com"),
        (
            "10.*.*.*",
            "has a wildcard in an IP address, and only DNS names have one; write each address: certificates contain single addresses",
        ),
        ("192.0.2.1-9", "is a range of addresses; write each address: certificates contain single addresses"),
        (
            "192.0.2.0/24",
            "is a network (CIDR), not an address; write each address: certificates contain single addresses",
        ),
        ("192.0.2.1/32", "has a prefix length (CIDR); write 192.0.2.1"),
        ("192.0.2.1/x", "has a path or a prefix length; write 192.0.2.1"),
        (
            "010.0.0.1",
            "has leading zeros, which some programs read as octal numbers; write 10.0.0.1 if the numbers are decimal",
        ),
        ("192,0,2,1", "has commas instead of dots; write 192.0.2.1"),
        ("(www.example.com)", "has brackets; write www.example.com"),
        ("[2001:db8::1]:443", "has brackets and a port; write 2001:db8::1"),
        ("www.example.com:443", "has a port (443); write www.example.com"),
        (
            "*.com",
            "has a wildcard for a whole top-level domain, which clients refuse; write each host, or a wildcard with a longer name (*.example.com)",
        ),
        (
            "w*.example.com",
            "has a wildcard that is not the whole first label of a name with at least two more (*.example.com); write each host",
        ),
        ("www.example.com:443/x", "has a port and a path; write www.example.com"),
        ("www.example.com/x", "has a path; write www.example.com"),
        ("www.example.com?x", "has a query or a fragment; write www.example.com"),
        ("fe80::1%eth0", "has a zone; write fe80::1"),
        ("web%20", "is percent-encoded; write web"),
        (".example.com", "begins with a dot; write example.com, or *.example.com for the names directly below it"),
        (".192.0.2.1", "begins with a dot; write 192.0.2.1"),
        ("example.com.", "ends with a dot; write example.com"),
        (
            "a.example.com b.example.com",
            "is a list of names; write one item for each name: a.example.com, b.example.com",
        ),
        (" www.example.com ", "has spaces or separators around the name; write www.example.com"),
        ("www .example.com", "has a space or a list in a host; write one name without spaces in each item"),
        ("web,db", "is a list of names; write one item for each name: web, db"),
        ("web[1-3].example.com", "is a pattern for several names; write each name as one item of alt-names"),
        ("00:1a:2b:3c:4d:5e", "is a hardware (MAC) address, which certificates do not contain; write the DNS name"),
        (
            "2001:db8:::1",
            "looks like an IPv6 address, and is not one; write groups of one to four hexadecimal digits, such as 2001:db8::1",
        ),
        (
            "HTTP/www.example.com@REALM",
            "is a Kerberos principal, a kind of name that evercert does not request; write www.example.com",
        ),
        (
            "WEB$@REALM",
            "is a Kerberos principal, a kind of name that evercert does not request; write the DNS name of the host",
        ),
        ("urn:uuid:x", "is a URI; write uri:urn:uuid:x"),
        ("spiffe:/example.org/x", "is a SPIFFE id without //; write spiffe://example.org/x"),
        ("O=Example", "is a distinguished name, not a host; write the host alone"),
        ("(prod)", "has brackets; write prod"),
        ("host/www.example.com", "has the text 'host/' before the name; write www.example.com"),
        ("node-2001:db8::1", "has other text before an IPv6 address; write the address alone"),
        ("www.example.com (prod)", "has other text beside the name; write www.example.com alone"),
        ("web/x", "has a path after the name; -"),
        (":443", "has a colon or a port without a name before it; -"),
    ],
)
def test_mistake_has_its_reason_and_remedy(text: str, expected: str) -> None:
    mistake = name_mistakes.find_in_name(text)
    assert mistake is not None
    assert f"{mistake.why}; {mistake.remedy('-')}" == expected


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("ops@.example.com", "write ops@example.com, or"),
        ("ops@.192.0.2.1", "write the name alone"),
        ("ops@010.0.0.1", "write the name alone"),
        ("a{b@.example.com", "write a{b@example.com, or"),
        ("x@y@a.example (x)", "write the name alone"),
        ("a..b@example.com (prod)", "write the name alone"),
        ("ops@example.com (prod)", "write ops@example.com alone"),
    ],
)
def test_remedy_of_an_address_is_an_address(text: str, remedy: str) -> None:
    with pytest.raises(ValueError, match="is not an e-mail address") as caught:
        parse(text)
    assert f"; {remedy}" in str(caught.value)


@pytest.mark.parametrize("text", [text for text, _ in MISTAKEN_NAMES])
def test_proposals_are_valid_names(text: str) -> None:
    mistake = name_mistakes.find_in_name(text)
    if mistake is not None:
        kept = mistake.proposing(lambda name: parse_valid(name) is not None)
        assert all(map(parse_valid, kept.meant))
        assert not kept.possible or parse_valid(kept.possible)


def test_a_list_is_proposed_as_a_whole() -> None:
    mistake = Mistake("is a list of names", ("a.example", "b c"), "advice", "d e", " alone")
    kept = mistake.proposing(lambda name: " " not in name)
    assert (kept.meant, kept.remedy("")) == ((), "advice")
    assert mistake.proposing(lambda _: True).remedy("") == "write one item for each name: a.example, b c"


@pytest.mark.parametrize(
    "text",
    [
        "web%20",
        "DNS:192.0.2.1-9",
        "(192.0.2.1-9)",
        "'192.0.2.0/24'",
        "IP:10.*.*.*",
        "node-2001:db8::1",
        "[192.0.2.1-9]",
    ],
)
def test_common_name_refuses_slips_of_names(text: str) -> None:
    with pytest.raises(ValueError, match="common name"):
        common_name.checked(text)


@pytest.mark.parametrize("text", ["50%20off", "Team (10.0.0.0/8)", "100%", "unit 9-10"])
def test_common_name_accepts_text_that_resembles_slips(text: str) -> None:
    assert common_name.checked(text) == text
