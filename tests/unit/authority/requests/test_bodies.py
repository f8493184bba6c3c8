"""Tests of the parser of API bodies: values, and every error with the path of its field."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evercert.authority.api_errors import Refusal
from evercert.authority.requests import bodies
from evercert.authority.requests.requested_fields import BasicConstraints
from evercert.documents.spec import RESERVED_METADATA
from evercert.pki.identifiers import parse
from tests.samples.mistaken_names import MISTAKEN_NAMES

PROFILE = "6f9619ff-8b86-d011-b42d-00cf4fc964ff"


def issue(**attributes):
    return bodies.issue({"profileId": PROFILE, "attributes": attributes}).requested


def refused(body):
    with pytest.raises(Refusal) as caught:
        bodies.issue(body)
    answer = caught.value.body("x")
    assert (answer["statusCode"], answer["error"]) == (422, "ValidationFailure")
    assert all(one["message"].isprintable() and len(one["message"]) <= 300 for one in answer["message"])
    return {tuple(one["path"]): one["message"] for one in answer["message"]}


def wrong(**attributes):
    return {path[1:]: message for path, message in refused({"profileId": PROFILE, "attributes": attributes}).items()}


def test_issue_accepts_body_of_the_infisical_agent():
    body = bodies.issue(
        {
            "profileId": PROFILE.upper(),
            "applicationId": PROFILE,
            "attributes": {
                "ttl": "90d",
                "commonName": "WWW.example.com",
                "altNames": [
                    {"type": "dns_name", "value": "WWW.example.com"},
                    {"type": "ip_address", "value": "2001:DB8::1"},
                ],
                "keyAlgorithm": "RSA_2048",
                "signatureAlgorithm": "RSA-SHA256",
                "keyUsages": ["digital_signature", "crl_sign"],
                "extendedKeyUsages": ["server_auth", "any_purpose"],
                "removeRootsFromChain": True,
            },
        }
    )
    assert (body.profile_id, body.application_id, body.csr, body.remove_roots) == (PROFILE, PROFILE, None, True)
    assert body.requested == {
        "ttl": timedelta(days=90),
        "common_name": "WWW.example.com",
        "names": (parse("www.example.com"), parse("2001:db8::1")),
        "key_algorithm": "RSA_2048",
        "signature_algorithm": "RSA-SHA256",
        "key_usages": ("digital_signature", "crl_sign"),
        "extended_key_usages": ("server_auth", "any_purpose"),
    }


def test_issue_accepts_every_attribute():
    requested = issue(
        organization="Muster GmbH", organizationalUnit="Web", country="de", state="Hessen", locality="Frankfurt",
        domainComponents=["example", "com"], notBefore="2027-01-31T12:00:00.5Z", notAfter="2027-02-01T12:00:00+12:00",
        basicConstraints={"isCA": True, "pathLength": 1},
    )  # fmt: skip
    assert requested == {
        "organization": "Muster GmbH", "organizational_unit": "Web", "country": "DE", "state": "Hessen", "locality": "Frankfurt",
        "domain_components": ("example", "com"), "not_before": datetime(2027, 1, 31, 12, tzinfo=UTC),
        "not_after": datetime(2027, 2, 1, tzinfo=UTC), "basic_constraints": BasicConstraints(True, 1),
    }  # fmt: skip


def test_issue_keeps_null_attributes():
    assert issue(commonName=None, keyUsages=None, ttl=None) == {"common_name": None, "key_usages": None, "ttl": None}
    assert issue() == {}


def test_issue_ignores_unknown_keys():
    body = {
        "profileId": PROFILE,
        "new": 1,
        "attributes": {"newer": [{}], "common_name": "x"},
        "metadata": [{"key": "a", "value": "b", "c": 1}],
    }
    read = bodies.issue(body)
    assert read.requested == {}
    assert read.metadata == (("a", "b"),)


def test_token_is_the_reserved_metadata_entry():
    body = {"profileId": PROFILE, "metadata": [{"key": "a", "value": "b"}, {"key": RESERVED_METADATA, "value": "t"}]}
    assert bodies.issue(body).token == "t"
    assert bodies.issue({"profileId": PROFILE}).token is None
    body["metadata"].append({"key": RESERVED_METADATA, "value": "u"})
    assert f"duplicate {RESERVED_METADATA}" in refused(body)["metadata",]


@pytest.mark.parametrize(
    ("text", "span"),
    [("60s", 60), ("10m", 600), ("12h", 43_200), ("30d", 2_592_000), ("2w", 1_209_600), ("1y", 31_536_000), ("1.5 hours", 5_400),
     ("5000", 5), ("2 Days", 172_800), ("100y", 3_153_600_000)],
)  # fmt: skip
def test_ttl_has_the_grammar_of_ms(text, span):
    assert issue(ttl=text)["ttl"] == timedelta(seconds=span)


HUNDRED = [{"type": "dns_name", "value": f"n{n}.example.com"} for n in range(100)]


def test_issue_accepts_a_hundred_names():
    assert len(issue(altNames=HUNDRED)["names"]) == 100


LONG = ".".join(["a" * 61] * 4) + ".example"


@pytest.mark.parametrize(("text", "told"), MISTAKEN_NAMES, ids=[text for text, _ in MISTAKEN_NAMES])
def test_issue_names_the_mistake_in_an_alternative_name(text, told):
    body = {"profileId": PROFILE, "attributes": {"altNames": [{"type": "dns_name", "value": text}]}}
    assert refused(body)["attributes", "altNames", 0, "value"].endswith(told)


@pytest.mark.parametrize(
    ("attributes", "path", "message"),
    [
        ({"ttl": "0s"}, ("ttl",), "must be from one second to 100 years"),
        ({"ttl": "-1d"}, ("ttl",), "must be a number and"),
        ({"ttl": "200y"}, ("ttl",), "must be from one second to 100 years"),
        ({"ttl": "999999999999999y"}, ("ttl",), "to 100 years"),
        ({"ttl": "1ms"}, ("ttl",), "from one second"),
        ({"ttl": "1d" + " " * 40}, ("ttl",), "must be a number and"),
        ({"ttl": "\u0661d"}, ("ttl",), "must be a number and"),
        ({"ttl": 90}, ("ttl",), "valid timedelta"),
        ({"ttl": "1d", "notAfter": "2027-01-31T12:00:00Z"}, ("ttl",), "cannot be given together"),
        ({"notBefore": "2027-01-31T12:00:00Z", "notAfter": "2027-01-31T12:00:00Z"}, ("notBefore",), "must be earlier than notAfter"),
        ({"notAfter": "2027-01-31T12:00:00"}, ("notAfter",), "with a time zone"),
        ({"notAfter": "0001-01-01T00:00:00+23:59"}, ("notAfter",), "with a time zone"),
        ({"notAfter": "9999-12-31T23:59:59-12:00"}, ("notAfter",), "with a time zone"),
        ({"notAfter": "soon"}, ("notAfter",), "with a time zone"),
        ({"notBefore": "9999-12-31T00:00:00Z"}, ("notBefore",), "must not be after the year 9000"),
        ({"notAfter": "9999-12-31T00:00:00Z"}, ("notAfter",), "must not be after the year 9000"),
        ({"commonName": "a" * 65}, ("commonName",), "1 to 64 printable"),
        ({"commonName": "www.example.com\x00.evil.org"}, ("commonName",), "printable"),
        ({"commonName": ""}, ("commonName",), "1 to 64 printable"),
        ({"commonName": " www.example.com"}, ("commonName",), "remove the spaces around it"),
        ({"commonName": "www.example.com."}, ("commonName",), "ends with a dot; write www.example.com"),
        ({"commonName": "a.*.example.com"}, ("commonName",), "has a wildcard that is not the whole first label"),
        ({"commonName": "xn--a.example"}, ("commonName",), "is not an A-label"),
        ({"commonName": "\ud800"}, ("commonName",), "1 to 64 printable"),
        ({"commonName": ["a"]}, ("commonName",), "valid string"),
        ({"organization": "a" * 65}, ("organization",), "1 to 64"),
        ({"organizationalUnit": "a\nb"}, ("organizationalUnit",), "printable"),
        ({"country": "Germany"}, ("country",), "two letters"),
        ({"state": "a" * 129}, ("state",), "1 to 128"),
        ({"locality": 5}, ("locality",), "valid string"),
        ({"domainComponents": ["example,com"]}, ("domainComponents", 0), "one label"),
        ({"domainComponents": ["a"] * 51}, ("domainComponents",), "at most 50"),
        ({"domainComponents": ["a" * 63] * 5}, ("domainComponents",), "at most 253"),
        ({"altNames": [{"type": "dns_name", "value": "uri:https://a.example/"}]}, ("altNames", 0, "value"), "is not a DNS name"),
        ({"altNames": [{"type": "dns_name", "value": "10.0.1"}]}, ("altNames", 0, "value"), "is not a DNS name"),
        ({"altNames": [{"type": "dns_name", "value": "2001:db8::1::"}]}, ("altNames", 0, "value"), "is not a DNS name"),
        ({"altNames": [{"type": "dns_name", "value": "a.*.example.com"}]}, ("altNames", 0, "value"), "not the whole first label of a name"),
        ({"altNames": [{"type": "dns_name", "value": "w*.example.com"}]}, ("altNames", 0, "value"), "not the whole first label of a name"),
        ({"altNames": [{"type": "dns_name", "value": "*.com"}]}, ("altNames", 0, "value"), "is not a DNS name"),
        ({"altNames": [{"type": "dns_name", "value": LONG}]}, ("altNames", 0, "value"), "is not a DNS name"),
        ({"altNames": [{"type": "dns_name", "value": "a" * 256}]}, ("altNames", 0, "value"), "at most 255"),
        ({"altNames": [{"type": "dns_name", "value": "a\x00.example"}]}, ("altNames", 0, "value"), "printable ASCII"),
        ({"altNames": [{"type": "dns_name", "value": "☃︎.example"}]}, ("altNames", 0, "value"), "not a valid international name"),
        ({"altNames": [{"type": "dns_name", "value": ""}]}, ("altNames", 0, "value"), "at least 1"),
        ({"altNames": [{"type": "ip_address", "value": "www.example.com"}]}, ("altNames", 0, "value"), "IPv4 or IPv6"),
        ({"altNames": [{"type": "ip_address", "value": "fe80::1%eth0"}]}, ("altNames", 0, "value"), "zone"),
        ({"altNames": [{"type": "email", "value": "no-address"}]}, ("altNames", 0, "value"), "not an e-mail address"),
        ({"altNames": [{"type": "uri", "value": "/etc/passwd"}]}, ("altNames", 0, "value"), "not a URI"),
        ({"altNames": [{"type": "upn", "value": "a@b"}]}, ("altNames", 0, "type"), "Input should be"),
        ({"altNames": [{"type": "D_NS", "value": "a.example"}]}, ("altNames", 0, "type"), "Input should be"),
        ({"altNames": [{"value": "a.example"}]}, ("altNames", 0, "type"), "Field required"),
        ({"altNames": ["a.example"]}, ("altNames", 0), "valid dictionary"),
        ({"altNames": [*HUNDRED, HUNDRED[0]]}, ("altNames",), "at most 100"),
        ({"altNames": [{"type": "dns_name", "value": f"{'a' * 40}{n}.example"} for n in range(99)]}, ("altNames",), "at most 4096"),
        ({"keyUsages": ["server_auth"]}, ("keyUsages", 0), "Input should be"),
        ({"keyUsages": ["digital_signature"] * 21}, ("keyUsages",), "at most 20"),
        ({"extendedKeyUsages": ["timestamping"]}, ("extendedKeyUsages", 0), "Input should be"),
        ({"keyAlgorithm": "RSA_1024"}, ("keyAlgorithm",), "Input should be"),
        ({"keyAlgorithm": "Ed25519"}, ("keyAlgorithm",), "Input should be"),
        ({"signatureAlgorithm": "RSA-SHA1"}, ("signatureAlgorithm",), "Input should be"),
        ({"basicConstraints": {"isCA": True, "pathLength": 256}}, ("basicConstraints", "pathLength"), "less than or equal"),
        ({"basicConstraints": {"pathLength": 1}}, ("basicConstraints", "pathLength"), "only a CA"),
        ({"basicConstraints": {"isCA": "yes"}}, ("basicConstraints", "isCA"), "valid boolean"),
        ({"customExtensions": [{"oid": "1.2.3"}]}, ("customExtensions",), "adds no custom extensions"),
    ],
)  # fmt: skip
def test_issue_reports_attribute_error_at_its_path(attributes, path, message):
    errors = wrong(**attributes)
    assert message in errors[path]
    assert len(errors) == 1


@pytest.mark.parametrize(
    ("body", "path", "message"),
    [
        ([], (), "Expected an object"),
        (None, (), "Expected an object"),
        ("text", (), "Expected an object"),
        ({}, ("profileId",), "Field required"),
        ({"profileId": "../../etc"}, ("profileId",), "Invalid uuid"),
        ({"profileId": PROFILE, "applicationId": "x"}, ("applicationId",), "Invalid uuid"),
        ({"profileId": PROFILE, "csr": ""}, ("csr",), "at least 1"),
        ({"profileId": PROFILE, "csr": "x" * 16_385}, ("csr",), "at most 16384"),
        ({"profileId": PROFILE, "attributes": []}, ("attributes",), "valid dictionary"),
        ({"profileId": PROFILE, "removeRootsFromChain": "true"}, ("removeRootsFromChain",), "valid boolean"),
        ({"profileId": PROFILE, "metadata": [{"key": "a", "value": "b"}] * 51}, ("metadata",), "at most 50"),
        ({"profileId": PROFILE, "metadata": [{"key": "", "value": "b"}]}, ("metadata", 0, "key"), "at least 1"),
        ({"profileId": PROFILE, "metadata": [{"key": "a", "value": "b" * 1021}]}, ("metadata", 0, "value"), "at most 1020"),
        ({"profileId": PROFILE, "metadata": [{"key": "a", "value": "\ud800"}]}, ("metadata", 0, "value"), "unable to parse raw data as a unicode string"),
        ({"profileId": PROFILE, "metadata": [{"key": "a"}]}, ("metadata", 0, "value"), "Field required"),
    ],
)  # fmt: skip
def test_issue_reports_body_error_at_its_path(body, path, message):
    assert message in refused(body)[path]


def test_issue_reports_all_errors():
    errors = refused(
        {"profileId": "x", "attributes": {"ttl": "0", "country": "x", "keyUsages": ["a", "b"]}, "metadata": 1}
    )
    assert set(errors) == {
        ("profileId",), ("attributes", "ttl"), ("attributes", "country"), ("attributes", "keyUsages", 0), ("attributes", "keyUsages", 1),
        ("metadata",),
    }  # fmt: skip


def test_renew_accepts_empty_body():
    for body in (None, {}):
        renewal = bodies.renew(body)
        assert (renewal.csr, renewal.requested, renewal.remove_roots, renewal.key_source) == (None, {}, False, None)


def test_renew_parses_body():
    renewal = bodies.renew(
        {
            "removeRootsFromChain": True,
            "renewalKeySource": "reuse",
            "csr": "x",
            "attributes": {"commonName": None, "ttl": "1d"},
        }
    )
    assert (renewal.csr, renewal.remove_roots, renewal.key_source) == ("x", True, "reuse")
    assert renewal.requested == {"common_name": None, "ttl": timedelta(days=1)}
    with pytest.raises(Refusal, match="'new', 'reuse' or 'csr'"):
        bodies.renew({"renewalKeySource": "old"})


WORDS = st.sampled_from(
    ["profileId", "attributes", "csr", "metadata", "altNames", "ttl", "commonName", "type", "value", "key", "isCA", "notAfter", "basicConstraints",
     "domainComponents", "keyUsages", "customExtensions"]
)  # fmt: skip
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from([PROFILE, "dns_name", "uri", "http://[", "1d", "*."]),
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(WORDS, inner, max_size=5)),
    max_leaves=20,
)


@given(st.one_of(JSON, st.dictionaries(WORDS, JSON, max_size=8).map(lambda body: {"profileId": PROFILE, **body})))
def test_any_body_parses_or_raises_refusal(body):
    for read in (bodies.issue, bodies.renew):
        try:
            read(body)
        except Refusal as refusal:
            json.dumps(refusal.body("x"))
            assert refusal.status == 422


@pytest.mark.parametrize(
    ("kind", "value", "canonical"),
    [
        ("dns_name", "Bücher.example", "dns:xn--bcher-kva.example"),
        ("dns_name", "*.BÜCHER.example", "dns:*.xn--bcher-kva.example"),
        ("email", "Ops@bücher.example", "email:Ops@xn--bcher-kva.example"),
        ("ip_address", "2001:DB8:0::1", "ip:2001:db8::1"),
    ],
)
def test_issue_canonicalizes_names(kind, value, canonical):
    assert issue(altNames=[{"type": kind, "value": value}])["names"] == (parse(canonical),)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("DNS", "a.example", "dns:a.example"),
        ("Dns_Name", "a.example", "dns:a.example"),
        ("IP", "10.0.0.1", "ip:10.0.0.1"),
        ("IP_ADDRESS", "2001:DB8::1", "ip:2001:db8::1"),
        ("EMAIL", "a@example.com", "email:a@example.com"),
        ("URI", "spiffe://example.com/a", "uri:spiffe://example.com/a"),
        ("dns_name", "10.0.0.1", "ip:10.0.0.1"),
        ("dns_name", "2001:DB8::1", "ip:2001:db8::1"),
        ("DNS", "10.0.0.1", "ip:10.0.0.1"),
        ("dns_name", "a@example.com", "email:a@example.com"),
        ("dns_name", "spiffe://example.com/a", "uri:spiffe://example.com/a"),
        ("dnsName", "a.example", "dns:a.example"),
        ("dns-name", "a.example", "dns:a.example"),
        ("ipAddress", "10.0.0.1", "ip:10.0.0.1"),
        ("rfc822_name", "a@example.com", "email:a@example.com"),
        ("URL", "https://example.com/a", "uri:https://example.com/a"),
    ],
)
def test_issue_accepts_types_of_infisical_clients(kind: str, value: str, expected: str) -> None:
    """The examples of Infisical say DNS; its agent sends addresses as DNS names."""
    body = {"profileId": PROFILE, "attributes": {"altNames": [{"type": kind, "value": value}]}}
    assert [str(name) for name in bodies.issue(body).requested["names"] or ()] == [expected]
