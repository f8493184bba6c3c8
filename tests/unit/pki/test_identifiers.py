"""Tests of identifiers: inferred kinds, canonical form, round trip through a certificate."""

import ipaddress
import subprocess
import sys

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from evercert.pki import identifiers
from evercert.pki.identifiers import Identifier, Name, from_general_name, parse

LABEL = st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
HOST = st.lists(LABEL, min_size=1, max_size=5).map(".".join)
PRINTABLE = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        pytest.param("www.example.com", "dns:www.example.com", id="host"),
        pytest.param("dns:WWW.Example.COM", "dns:www.example.com", id="case"),
        pytest.param("*.example.com", "dns:*.example.com", id="wildcard"),
        pytest.param("_acme.example.com", "dns:_acme.example.com", id="underscore"),
        pytest.param("localhost", "dns:localhost", id="one label"),
        pytest.param("192.0.2.1", "ip:192.0.2.1", id="IPv4"),
        pytest.param("2001:DB8:0::1", "ip:2001:db8::1", id="IPv6"),
        pytest.param("spiffe://example.org/Web", "uri:spiffe://example.org/Web", id="URI"),
        pytest.param("Ops@Example.COM", "email:Ops@example.com", id="e-mail keeps the case of its local part"),
        pytest.param("uri:urn:uuid:0", "uri:urn:uuid:0", id="kind given"),
    ],
)
def test_identifier_kind_is_optional(text, canonical):
    name = parse(text)
    assert str(name) == canonical
    assert parse(str(name)) == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "dns:",
        "a..b",
        "example.com.",
        "-a.com",
        "a_-.com",
        "w ww.com",
        "a" * 64,
        "a." * 126 + "ab",
    ],
    ids=[
        "empty",
        "kind only",
        "empty label",
        "root dot",
        "-first",
        "-last",
        "space",
        "label 64",
        "length 254",
    ],
)
def test_identifier_refuses_invalid_dns_names(text):
    with pytest.raises(ValueError):
        parse(text)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        pytest.param("bücher.example", "dns:xn--bcher-kva.example", id="one label"),
        pytest.param("BÜCHER.Example", "dns:xn--bcher-kva.example", id="case"),
        pytest.param("bu\u0308cher.example", "dns:xn--bcher-kva.example", id="in two characters"),
        pytest.param("*.bücher.example", "dns:*.xn--bcher-kva.example", id="wildcard"),
        pytest.param("_acme.bücher.example", "dns:_acme.xn--bcher-kva.example", id="underscore"),
        pytest.param("straße.example", "dns:xn--strae-oqa.example", id="sharp s, kept as in IDNA2008"),
        pytest.param("例え.テスト", "dns:xn--r8jz45g.xn--zckzah", id="every label"),
        pytest.param("例え\u3002テスト", "dns:xn--r8jz45g.xn--zckzah", id="ideographic full stop"),
        pytest.param("उदाहरण.परीक्षा", "dns:xn--p1b6ci4b4b3a.xn--11b5bs3a9aj6g", id="combining vowels"),
        pytest.param("Ops@bücher.example", "email:Ops@xn--bcher-kva.example", id="host of a mail address"),
    ],
)  # fmt: skip
def test_identifier_converts_to_a_labels(text, canonical):
    """RFC 5890 §2.3.2.1, RFC 5280 §7.2."""
    assert str(parse(text)) == canonical
    assert parse(canonical) == parse(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("☃.example", "U+2603", id="symbol"),
        pytest.param("a\u202eö.example", "U+202E", id="direction override"),
        pytest.param("ö-.example", "hyphen", id="-last"),
        pytest.param("ö" * 60 + ".example", "long", id="too long as an A-label"),
        pytest.param("ö..example", "is not a DNS name", id="empty label"),
        pytest.param("ö.example.", "is not a DNS name", id="root dot"),
        pytest.param("w ö.example", "it has a space or a list in a host", id="space"),
        pytest.param("\uff41\uff0fö.example", "is not a valid international name", id="slash in full width"),
        pytest.param("\uff0a.bücher.example", "write the wildcard's *", id="wildcard in full width"),
        pytest.param("dns:0x7f.1", "it ends in a number", id="an address in hexadecimal"),
        pytest.param("dns:www.example.0x", "it ends in a number", id="what is read as 0"),
        pytest.param("dns:*.example.7", "it ends in a number", id="below a number"),
        pytest.param("\uff11.\uff12.\uff13.\uff14", "it has only digits", id="digits in full width"),
    ],
)
def test_identifier_error_states_the_idna_reason(text, told):
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert told in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "text",
    [
        "xn---bbk.example",
        "xn--0.example",
        "xn--a.example",
        "a@xn--a.example",
        "*.xn--a.example",
    ],
)
def test_identifier_refuses_invalid_a_labels(text):
    with pytest.raises(ValueError, match="is not an A-label of IDNA2008"):
        parse(text)


def test_identifier_loads_idna_tables_lazily():
    code = (
        "import sys; from evercert.pki.identifiers import parse; parse('www.example.com'); print('idna' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("text", ["*.com", "*", "www.*.com", "w*.example.com", "*.*.example.com", "a@*.example.com"])
def test_identifier_refuses_invalid_wildcards(text):
    with pytest.raises(ValueError):
        parse(text)


@pytest.mark.parametrize(
    "text", ["uri:http://a b", "uri:http://bücher.example", "ö@example.com", "uri:urn:a\x00b", "a@b\n"]
)
def test_identifier_accepts_printable_ascii_only(text):
    with pytest.raises(ValueError, match="only printable ASCII without spaces"):
        parse(text)


@pytest.mark.parametrize("kind", ["dns", "ip", "uri", "email"])
def test_identifier_refuses_empty_names(kind):
    with pytest.raises(ValueError, match=f"empty {kind} name"):
        parse(f"{kind}:")


@pytest.mark.parametrize("text", ["999.1.1.1", "1.2.3", "ip:192.0.2.0/24", "ip:localhost", "ip:", "ip:::1::"])
def test_identifier_refuses_invalid_addresses(text):
    with pytest.raises(ValueError):
        parse(text)


def test_identifier_refuses_address_zones():
    with pytest.raises(ValueError):
        parse("fe80::1%eth0")


@pytest.mark.parametrize("text", ["uri:/path", "uri:https://", "https://", "uri:x", "http://[bad", "uri:"])
def test_identifier_refuses_invalid_uris(text):
    with pytest.raises(ValueError):
        parse(text)


@pytest.mark.parametrize("text", ["@example.com", "a@", "a@b@c.com", "email:a", "a" * 65 + "@example.com", "a@-b.com"])
def test_identifier_refuses_invalid_email_addresses(text):
    with pytest.raises(ValueError):
        parse(text)


def test_identifier_accepts_names_at_the_limits():
    longest = ".".join(["a" * 63] * 3 + ["b" * 61])
    assert len(longest) == 253
    assert parse(longest).value == longest
    assert parse("a" * 64 + "@example.com").kind == "email"
    assert parse("a@b").value == "a@b"


@settings(database=None, derandomize=True, max_examples=60)
@given(HOST, st.booleans())
def test_identifier_dns_round_trips_through_a_certificate(host, wildcard):
    name = parse(f"dns:{'*.a.' if wildcard else ''}{host}")
    assert from_general_name(name.general_name()) == name


@settings(database=None, derandomize=True, max_examples=60)
@given(st.ip_addresses())
def test_identifier_ip_round_trips_through_a_certificate(address):
    name = parse(str(address))
    assert ipaddress.ip_address(name.value) == address
    assert from_general_name(name.general_name()) == name


@settings(database=None, derandomize=True, max_examples=100)
@given(st.one_of(PRINTABLE, PRINTABLE.map("uri:{}".format), PRINTABLE.map("{}@example.com".format)))
def test_identifier_accepts_only_encodable_names(text):
    try:
        name = parse(text)
    except ValueError:
        return
    assert from_general_name(name.general_name()) == name


@pytest.mark.parametrize("text", ["a(b@example.com", "a)b@example.com", "a,b@example.com", "<a@example.com"])
def test_identifier_refuses_quoted_local_parts(text):
    """RFC 5321 §4.1.2: a dot-string has none of these, and `cryptography` refuses some of them later."""
    with pytest.raises(ValueError):
        parse(text)


def test_identifier_from_certificate_is_canonical():
    assert from_general_name(x509.DNSName("WWW.Example.COM")) == parse("www.example.com")
    assert from_general_name(x509.RFC822Name("Ops@Example.COM")) == parse("Ops@example.com")  # RFC 5280 §7.5


@pytest.mark.parametrize(
    "name",
    [x509.DirectoryName(x509.Name([])), x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))],
    ids=["directory name", "registered id"],
)
def test_identifier_ignores_unsupported_kinds(name):
    assert from_general_name(name) is None


def test_identifier_field_is_text():
    adapter = TypeAdapter(Name)
    assert adapter.validate_python("ip:192.0.2.1") == Identifier("ip", "192.0.2.1")
    assert adapter.validate_python(Identifier("dns", "a.example")) == Identifier("dns", "a.example")
    assert adapter.dump_python(Identifier("dns", "a.example"), mode="json") == "dns:a.example"
    with pytest.raises(ValidationError, match="a name must be text"):
        adapter.validate_python(443)


@pytest.mark.parametrize(
    "text", ["__HOST__", "__HOST__.example.com", "dns:CHANGE_ME.example.com", "CHANGEME", "YOUR_DOMAIN"]
)
def test_placeholder_that_is_a_dns_name_is_refused(text):
    with pytest.raises(ValueError, match="has a placeholder; was the document rendered"):
        parse(text)


@pytest.mark.parametrize("text", ["_dmarc.example.com", "a__b.example.com", "change-me.example.com"])
def test_usual_underscores_are_accepted(text):
    assert parse(text).value == text


@pytest.mark.parametrize(
    "text", ["exchangeme.example.com", "EXCHANGEMEDIA.example.com", "yours.example.com", "_a__b_.example"]
)
def test_name_with_the_letters_of_a_placeholder_is_accepted(text):
    assert parse(text).kind == "dns"


@pytest.mark.parametrize("text", ["a." * 2_048 + "b", "uri:x:" + "y" * 4_096, "a" * 1_000_000])
def test_parse_refuses_long_text_at_once(text, monkeypatch):
    monkeypatch.setattr(identifiers, "_split", lambda _: pytest.fail("searched"))
    with pytest.raises(ValueError, match=rf"has {len(text)} characters; the limit is 4096"):
        identifiers.parse(text)
    assert identifiers.parse_valid(text) is None


@pytest.mark.parametrize(
    "text", ["www.example.com", "192.0.2.1", "a_b c", "__HOST__", "www.example.com:443", "", "bücher.example"]
)
def test_parse_valid_agrees_with_parse(text):
    try:
        expected = identifiers.parse(text)
    except ValueError:
        expected = None
    assert identifiers.parse_valid(text) == expected
