"""Tests of mistakes in names: each kind has its own reason and names what to write."""

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evercert.pki import embedded_hosts, name_mistakes
from evercert.pki.attributes import Attributes
from evercert.pki.identifiers import parse
from tests.samples.mistaken_names import MISTAKEN_NAMES

WILDCARD = "has a wildcard that is not the whole first label"
TOP_LEVEL = "has a wildcard for a whole top-level domain"
NETWORK = "is a network (CIDR), not an address; write each address"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("DNS:www.example.com", "has the prefix 'DNS:'; write www.example.com"),
        ("DNS: www.example.com", "has the prefix 'DNS:'; write www.example.com"),
        ("DNS.1 = www.example.com", "has the prefix 'DNS.1 ='; write www.example.com"),
        ("dNSName:www.example.com", "has the prefix 'dNSName:'; write www.example.com"),
        ("DNS=*.example.com", "has the prefix 'DNS='; write *.example.com"),
        ("IP:192.0.2.1", "has the prefix 'IP:'; write 192.0.2.1"),
        ("IP Address:192.0.2.1", "has the prefix 'IP Address:'; write 192.0.2.1"),
        ("IP:2001:db8::1", "has the prefix 'IP:'; write 2001:db8::1"),
        ("ipAddress:192.0.2.1", "has the prefix 'ipAddress:'; write 192.0.2.1"),
        ("subjectAltName=DNS:www.example.com", "has the prefix 'subjectAltName='; write www.example.com"),
        ("DNS:a.example.com,IP:192.0.2.1", "write one item for each name: a.example.com, 192.0.2.1"),
        ("EMAIL:ops@example.com", "has the prefix 'EMAIL:'; write ops@example.com"),
        ("rfc822Name:ops@example.com", "has the prefix 'rfc822Name:'; write ops@example.com"),
        ("URI:spiffe://example.org/web", "has the prefix 'URI:'; write spiffe://example.org/web"),
        ("otherName:1.2.3;UTF8:x", "has the prefix 'otherName', a kind of name that evercert does not request"),
        ("RID:1.2.3.4", "has the prefix 'RID', a kind of name that evercert does not request"),
        ("mailto:ops@example.com", "is a URL (mailto:), not an e-mail address; write ops@example.com"),
        ("MAILTO:ops@example.com?subject=x", "write ops@example.com"),
        ("*.local", TOP_LEVEL),
        ("*.com", TOP_LEVEL),
        ("*", WILDCARD),
        ("w*.example.com", WILDCARD),
        ("a.*.example.com", WILDCARD),
        ("*.*.example.com", WILDCARD),
        ("*example.com", WILDCARD),
        ("10.0.0.0/24", NETWORK),
        ("10.0.0.7/24", NETWORK),
        ("2001:db8::/32", NETWORK),
        ("ip:192.0.2.0/24", NETWORK),
        ("192.0.2.1/32", "has a prefix length (CIDR); write 192.0.2.1"),
        ("2001:db8::1/128", "has a prefix length (CIDR); write 2001:db8::1"),
        ("192.0.2.1-192.0.2.9", "is a range of addresses; write each address"),
        ("192.0.2.1/web", "has a path or a prefix length; write 192.0.2.1"),
        ("www.example.com:8443", "has a port (8443); write www.example.com"),
        ("localhost:8443", "has a port (8443); write localhost"),
        ("192.0.2.1:443", "has a port (443); write 192.0.2.1"),
        ("www.example.com:https", "has a port (https); write www.example.com"),
        ("www.example.com:8443/login", "has a port and a path; write www.example.com"),
        ("//www.example.com/a", "is a URL, not a host; write www.example.com"),
        ("https:/www.example.com", "is a URL, not a host; write www.example.com"),
        ("URL=https://www.example.com", "has the prefix 'URL='; write https://www.example.com"),
        ("Ops <ops@example.com>", "has angle brackets; write ops@example.com"),
        ("<ops@example.com>", "has angle brackets; write ops@example.com"),
        ("web,db", "is a list of names; write one item for each name: web, db"),
        ("www.example.com a", "has other text beside the name; write www.example.com alone"),
        ("www.example.com #1", "has other text beside the name; write www.example.com alone"),
        ("192.0.2.256", "an IPv4 address has four numbers up to 255"),
        ("[2001:db8::1]", "has brackets; write 2001:db8::1"),
        ("[2001:db8::1]:443", "has brackets and a port; write 2001:db8::1"),
        ("[192.0.2.1]", "has brackets; write 192.0.2.1"),
        ("www.example.com/", "has a path; write www.example.com"),
        ("www.example.com.", "ends with a dot; write www.example.com"),
        (".example.com", "begins with a dot; write example.com, or *.example.com for the names directly below it"),
        (" www.example.com", "around the name; write www.example.com"),
        ("www.example.com ", "around the name; write www.example.com"),
        ("www.example.com,", "around the name; write www.example.com"),
        ("a.example.com, b.example.com", "is a list of names; write one item for each name"),
        ("a.example.com b.example.com", "is a list of names; write one item for each name"),
        ("www .example.com", "has a space or a list in a host; write one name without spaces"),
        ('"www.example.com"', "has quotes in the value; write www.example.com"),
        ("${DOMAIN}", "has a placeholder; was the document rendered?"),
        ("{{ host }}.example.com", "has a placeholder; was the document rendered?"),
        ("<your-domain>", "has a placeholder; was the document rendered?"),
        ("fe80::1%eth0", "has a zone; write fe80::1"),
        ("ops@example.com.", "is not an e-mail address: it ends with a dot; write ops@example.com"),
        ("ops@example.com:25", "it has a port (25); write ops@example.com"),
        ("ip:www.example.com", "it is a DNS name"),
        ("dns:192.0.2.1", "it is an IP address; write ip:192.0.2.1"),
        ("a..example.com", "it has an empty label"),
        ("-a.example.com", "a label begins or ends with a hyphen"),
        ("a" * 64 + ".example.com", "a label has 64 characters; the limit is 63"),
        (".".join(["a" * 62] * 5), "it has 314 characters; the limit is 253"),
        ("a+b.example.com", "a label has letters, digits, hyphens and underscores only"),
    ],
)
def test_identifier_error_names_the_mistake(text, told):
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert told in str(caught.value)
    assert ("wildcard" in str(caught.value)) == ("*" in text and "wildcard" in told)


@pytest.mark.parametrize(("text", "told"), MISTAKEN_NAMES, ids=[text for text, _ in MISTAKEN_NAMES])
def test_alternative_name_error_has_reason_and_remedy(text, told):
    with pytest.raises(ValueError) as caught:
        Attributes.model_validate({"alt-names": ["www.example.com", text]})
    assert told in str(caught.value)


@pytest.mark.parametrize("text", ["Ops <a..b@example.com>", "mailto:a..b@example.com", "EMAIL:@example.com"])
def test_remedy_is_never_an_invalid_address(text):
    with pytest.raises(ValueError, match="; write") as caught:
        parse(text)
    assert not str(caught.value).endswith(("..b@example.com", " @example.com"))


@pytest.mark.parametrize(
    "text", ["WEB$@EXAMPLE.COM", "email:host/www.example.com@REALM", "krbtgt/EXAMPLE.COM@EXAMPLE.COM"]
)
def test_email_address_is_no_kerberos_principal(text):
    with pytest.raises(ValueError, match="is a Kerberos principal"):
        parse(text)


@pytest.mark.parametrize("text", ["ops@192.0.2.1", "ops@[192.0.2.1]"])
def test_email_address_needs_a_host_name(text):
    with pytest.raises(ValueError, match="its host is an IP address; write the DNS name of the mail host"):
        parse(text)


@pytest.mark.parametrize(
    "text", ["customer/department=shipping@example.com", "a/b@example.com", "$cash@example.com", "user@REALM"]
)
def test_email_address_with_a_slash_is_no_principal(text):
    assert parse(text).kind == "email"


@pytest.mark.parametrize("text", ["192.0.2.4-9.example.com", "1.2.3-4", "ip-192-0-2-4"])
def test_host_with_numbers_is_no_range(text):
    assert parse(text).kind == "dns"


@pytest.mark.parametrize("text", ["www.example.com", "*.example.com", "*.xn--a.example", "192.0.2.1", "2001:db8::1"])
def test_find_ignores_names(text):
    assert name_mistakes.find(text) is None


@pytest.mark.parametrize("text", ["www.example.com.", "www.example.com:8443", "DNS:www.example.com", "[2001:db8::1]:1"])
def test_find_means_a_valid_name(text):
    mistake = name_mistakes.find(text)
    assert parse(mistake.meant[0]).value in text


def test_find_ignores_very_long_text():
    assert name_mistakes.find("DNS:" + "a" * 2_000) is None


def test_find_never_quotes_an_invalid_name():
    """Messages and, from documents of the agent, requests contain the meant name."""
    for text in (
        "https://-a-/x",
        "[::g:]",
        "[1.2]",
        "DNS:no name",
        "a b:443",
        "[::zz]",
        "bad_-.example.com.",
        "DNS:a.example.com,DNS:-",
    ):
        mistake = name_mistakes.find(text)
        assert mistake is None or all(map(embedded_hosts.is_name, mistake.meant))


def test_name_mistakes_are_loaded_lazily():
    code = (
        "import sys; from evercert.pki.attributes import Attributes;"
        "Attributes.model_validate({'common-name': 'www.example.com', 'alt-names': ['spiffe://a/b', '192.0.2.1']});"
        "print('evercert.pki.name_mistakes' in sys.modules or 'evercert.pki.embedded_hosts' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@settings(database=None, derandomize=True, max_examples=300, deadline=500)
@given(st.text(st.sampled_from("aB0.*:/@[]<>%${} ,;='\"-_\n\\。ö#?DNSIPURmailto"), max_size=1_000))
def test_find_answers_any_text_soon(text):
    mistake = name_mistakes.find_in_name(text)
    assert mistake is None or (mistake.why and mistake.remedy("write the name alone"))
