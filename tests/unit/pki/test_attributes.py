"""Tests of attributes: subject bounds, common names that are hosts, round trip through a CSR."""

import string
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from evercert.issuers import self_signed
from evercert.pki import csr_parser as csrs
from evercert.pki.attributes import Attributes
from evercert.pki.identifiers import parse
from evercert.pki.keys import PrivateKey
from evercert.pki.usages import EXTENDED_KEY_USAGES

KEY = PrivateKey.generate("EC_prime256v1")


def attributes(**values):
    return Attributes.model_validate(
        {"alt-names": ["a.example"], **{key.replace("_", "-"): value for key, value in values.items()}}
    )


def problem(**values):
    with pytest.raises(ValidationError) as caught:
        attributes(**values)
    return caught.value.errors()[0]["msg"]


LONGEST = {
    "organization": 64, "organizational_unit": 64, "state": 128, "locality": 128,
    "street_address": 128, "postal_code": 40,
}  # fmt: skip


@pytest.mark.parametrize(("field", "longest"), LONGEST.items())
def test_subject_fields_have_standard_length_limits(field, longest):
    """RFC 5280 appendix A.1, X.520 annex C: limits in characters."""
    assert getattr(attributes(**{field: "ä" * longest}), field) == "ä" * longest
    assert f"1 to {longest} printable characters" in problem(**{field: "ä" * (longest + 1)})


@pytest.mark.parametrize("field", LONGEST)
@pytest.mark.parametrize("value", ["", " ", "a\nb", "a\x00", " a", "a "], ids=repr)
def test_subject_fields_are_printable_text(field, value):
    assert "printable characters, without spaces around them" in problem(**{field: value})


@pytest.mark.parametrize(("value", "country"), [("DE", "DE"), ("de", "DE")])
def test_country_accepts_two_letters(value, country):
    assert attributes(country=value).country == country


@pytest.mark.parametrize("value", ["", "D", "DEU", "D1", "ÄÖ", "D\n"], ids=repr)
def test_country_refuses_other_text(value):
    assert "a country is two letters (ISO 3166), such as DE" in problem(country=value)


@pytest.mark.parametrize("value", ["example.com", "", "-a", "a-", "ä", "a" * 64])
def test_domain_component_is_one_label(value):
    assert "a domain component is one label" in problem(domain_components=[value])


def test_domain_components_fit_into_a_dns_name():
    longest = ["a" * 63] * 3 + ["b" * 61]
    assert attributes(domain_components=longest).domain_components == tuple(longest)
    assert "a DNS name, of at most 253 characters" in problem(domain_components=[*longest[:3], "b" * 62])


@pytest.mark.parametrize(
    ("common_name", "host"),
    [
        ("bücher.example", "xn--bcher-kva.example"),
        ("*.Bücher.example", "*.xn--bcher-kva.example"),
        ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
    ],
)
def test_common_name_converts_hosts_to_a_labels(common_name, host):
    asked = Attributes.model_validate({"common-name": common_name})
    assert asked.common_name == host
    assert asked.identifiers == (parse(host),)


@pytest.mark.parametrize("common_name", ["Müller", "Dr. Müller", "Bücher & Co. KG", "müller@example.com", "A/Ö.B"])
def test_common_name_keeps_other_text(common_name):
    assert attributes(common_name=common_name).common_name == common_name


@pytest.mark.parametrize(
    ("common_name", "told"),
    [
        ("☃.example", "is not a valid international name"),
        ("xn--a.example", "is not an A-label"),
        ("www.xn--a.example", "is not an A-label"),
        ("bücher." * 6 + "example", "1 to 64 printable characters"),
    ],
)
def test_common_name_refuses_invalid_hosts(common_name, told):
    """An invalid host would be missing from the alternative names, and no client would accept it."""
    assert told in problem(common_name=common_name)


def text(longest):
    letters = string.ascii_letters + string.digits + "äöüßéñ漢字,+\"\\<>;=#'()./:?-"
    return st.text(letters, min_size=1, max_size=longest)


LABEL = st.from_regex(r"[a-z]([a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
HOST = st.lists(LABEL, min_size=2, max_size=4).map(".".join)
NAME = st.one_of(HOST, HOST.map("*.a.{}".format), HOST.map("ops@{}".format), st.ip_addresses().map(str))
KEY_USAGE = st.sets(st.sampled_from(["digital_signature", "non_repudiation", "key_agreement"]))
WISHES = st.fixed_dictionaries(
    {"alt-names": st.lists(NAME, min_size=1, max_size=5)},
    optional={
        "common-name": st.one_of(HOST.filter(lambda host: len(host) <= 64), text(16)),
        "organization": text(64),
        "organizational-unit": text(64),
        "country": st.sampled_from(["DE", "ch"]),
        "state": text(128),
        "locality": text(128),
        "street-address": text(128),
        "postal-code": text(40),
        "domain-components": st.lists(LABEL, max_size=5),
        "key-usages": KEY_USAGE.map(sorted),
        "extended-key-usages": st.sets(st.sampled_from(EXTENDED_KEY_USAGES)).map(sorted),
    },
)


@settings(database=None, derandomize=True, max_examples=100, deadline=None)
@given(WISHES)
def test_attributes_round_trip_through_a_csr(wishes):
    try:
        asked = Attributes.model_validate(wishes)
    except ValidationError:
        assert "common-name" in wishes  # "ä.ö#" looks like a host, and is none
        return
    read = csrs.read(KEY.sign_csr(asked))
    assert read.algorithm == "EC_prime256v1"
    assert read.attributes.identifiers == asked.identifiers
    assert read.attributes.model_dump(exclude={"alt_names"}) == asked.model_dump(exclude={"alt_names"})
    again = Attributes.model_validate(asked.model_dump(mode="json", by_alias=True, exclude_defaults=True))
    assert again == asked


@pytest.mark.parametrize(
    ("key", "moment", "line"),
    [
        ("not-before", "1950-01-01T00:00:00Z", ""),
        (
            "not-before",
            "1949-12-31T23:59:59Z",
            "the year 1949 is invalid; write one from 1950 to 9998",
        ),
        ("not-before", "1950-01-01T00:00:00+01:00", "the year 1949 is invalid; write one from 1950 to 9998"),
        ("not-before", "9998-12-31T23:59:59Z", ""),
        ("not-before", "9999-01-01T00:00:00Z", "the year 9999 is invalid; write one from 1950 to 9998"),
        ("not-after", "9999-12-31T23:59:59Z", ""),
        ("not-after", "0001-01-01T00:00:00Z", "the year 1 is invalid; write one from 1950 to 9999"),
    ],
)
def test_attributes_refuse_years_that_no_certificate_has(key: str, moment: str, line: str) -> None:
    data = {"common-name": "www.example.com", key: moment}
    if not line:
        assert Attributes.model_validate(data)
        return
    with pytest.raises(ValidationError, match=line):
        Attributes.model_validate(data)


@pytest.mark.parametrize("moment", ["1950-01-01T00:00:00Z", "9998-12-31T23:59:59Z"])
def test_accepted_years_can_be_issued(moment: str) -> None:
    attributes = Attributes.model_validate({"common-name": "www.example.com", "not-before": moment})
    begins, ends = self_signed._lifetime(attributes, datetime(2026, 1, 1, tzinfo=UTC))
    assert (ends - begins).days > 0
