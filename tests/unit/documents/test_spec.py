"""Tests of specs: validation, request hash, CSRs."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from evercert.canonical_json import canonical_json, digest
from evercert.contracts.issuer import Request
from evercert.documents.lifecycle import Lifecycle, RenewBefore
from evercert.documents.spec import Attributes, Component, Spec
from evercert.issuers.self_signed import SelfSigned
from evercert.pki.certificate import mismatches
from evercert.pki.identifiers import parse
from evercert.pki.keys import PrivateKey
from evercert.pki.usages import key_usage

WEB = {
    "name": "web",
    "issuer": "development",
    "attributes": {"common-name": "www.example.com", "alt-names": ["example.com", "ip:192.0.2.10"], "ttl": "90d"},
    "private-key": {"algorithm": "RSA_2048"},
    "lifecycle": {"renew-before-expiry": "30d"},
    "destinations": [{"type": "secrets-manager", "secret": "evercert/certificates/web"}],
    "labels": {"team": "web"},
}


def spec(**changes):
    return Spec.model_validate({**WEB, **changes})


def problem(**changes):
    with pytest.raises(ValidationError) as caught:
        spec(**changes)
    return str(caught.value)


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
def test_moment_outside_the_years_of_utc_is_refused(moment):
    attributes = {"common-name": "www.example.com", "not-after": moment}
    assert "a timestamp outside the years 1 to 9999 of UTC" in problem(attributes=attributes)


def test_spec_round_trips_through_storage():
    assert Spec.model_validate(json.loads(json.dumps(spec().document()))) == spec()


def test_spec_document_omits_defaults():
    plain = Spec.model_validate(
        {"name": "a", "issuer": "i", "attributes": {"common-name": "a.example"}, "destinations": [{"type": "x"}]}
    )
    assert set(plain.document()) == {"name", "issuer", "attributes", "destinations"}


def test_spec_key_is_p256_by_default():
    minimal = {key: value for key, value in WEB.items() if key != "private-key"}
    assert Spec.model_validate(minimal).private_key.algorithm == "EC_prime256v1"


@pytest.mark.parametrize("name", ["a", "*.example.com", "A_b-c.9", "x" * 200])
def test_spec_accepts_valid_certificate_names(name):
    assert spec(name=name).name == name


@pytest.mark.parametrize("name", ["", "x" * 201, "a b", "a/b", "ä", "a\n"], ids=repr)
def test_spec_refuses_invalid_certificate_names(name):
    assert "a name has 1 to 200 letters, digits and . _ * -" in problem(name=name)


def test_spec_error_shows_no_control_characters():
    assert "\x1b" not in problem(name="web\x1b[2J")


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        pytest.param({"": "x"}, "a label has", id="empty key"),
        pytest.param({"a=b": "x"}, "a label has", id="equals sign in the key"),
        pytest.param({"a": "x\ny"}, "a label's value has", id="newline in the value"),
        pytest.param({"a": "x" * 129}, "a label's value has", id="long value"),
        pytest.param({f"k{n}": "x" for n in range(21)}, "20", id="more than 20"),
        pytest.param({"a": 5}, "string", id="a number"),
    ],
)
def test_spec_refuses_invalid_labels(labels, told):
    assert told in problem(labels=labels)


@pytest.mark.parametrize("count", [0, 11])
def test_spec_has_one_to_ten_destinations(count):
    assert "destinations" in problem(destinations=[{"type": "x"}] * count)


def test_spec_refuses_unknown_keys():
    assert "Extra inputs" in problem(colour="blue")


@pytest.mark.parametrize("common_name", ["", "a" * 65, "a\nb", "a\x00b"], ids=["empty", "65", "newline", "NUL"])
def test_spec_refuses_invalid_common_names(common_name):
    with pytest.raises(ValidationError, match="1 to 64 printable"):
        Attributes.model_validate({"common-name": common_name, "alt-names": ["a.example"]})


@pytest.mark.parametrize("common_name", ["a", "x" * 64, "Payroll service"])
def test_spec_accepts_other_common_names(common_name):
    attributes = Attributes.model_validate({"common-name": common_name, "alt-names": ["a.example"]})
    assert attributes.common_name == common_name


def test_spec_adds_the_common_name_to_the_names():
    assert spec().attributes.identifiers == (
        parse("dns:example.com"),
        parse("dns:www.example.com"),
        parse("ip:192.0.2.10"),
    )


def test_spec_deduplicates_names():
    attributes = Attributes.model_validate({"common-name": "A.example", "alt-names": ["a.example", "dns:a.EXAMPLE"]})
    assert attributes.identifiers == (parse("a.example"),)


def test_spec_omits_a_common_name_that_is_not_a_host():
    attributes = Attributes.model_validate({"common-name": "Payroll service", "alt-names": ["a.example"]})
    assert attributes.identifiers == (parse("a.example"),)


@pytest.mark.parametrize("attributes", [{}, {"common-name": "Payroll service"}, {"alt-names": []}], ids=repr)
def test_refuses_a_certificate_for_no_name(attributes):
    assert "give at least one name" in problem(attributes=attributes)


@pytest.mark.parametrize("ttl", ["59s", "0s", "101y", "90", 90], ids=repr)
def test_spec_refuses_invalid_ttls(ttl):
    assert "attributes.ttl\n" in problem(attributes={"common-name": "a.example", "ttl": ttl}, lifecycle={})


def test_spec_error_names_the_shortest_ttl():
    assert "the shortest ttl is 1m" in problem(attributes={"common-name": "a.example", "ttl": "59s"}, lifecycle={})


def test_spec_accepts_the_shortest_ttl():
    assert spec(attributes={"common-name": "a.example", "ttl": "60s"}, lifecycle={}).attributes.ttl == timedelta(
        minutes=1
    )


@pytest.mark.parametrize(
    ("wish", "span"),
    [("30d", timedelta(days=30)), ("33%", timedelta(days=33)), ("1%", timedelta(days=1)), ("99%", timedelta(days=99))],
)
def test_renew_before_is_a_duration_or_a_percentage(wish, span):
    assert RenewBefore.parse(wish).within(timedelta(days=100)) == span


@pytest.mark.parametrize("wish", ["0%", "100%", "-5%", "3.3%", "%", "٣%", "soon", "0d", "", 30], ids=repr)
def test_renew_before_refuses_other_text(wish):
    with pytest.raises(ValueError):
        RenewBefore.parse(wish)
    with pytest.raises(ValidationError, match=r"renew-before-expiry"):
        Lifecycle.model_validate({"renew-before-expiry": wish})


@pytest.mark.parametrize(
    ("ttl", "wish"), [("30d", "30d"), ("24h", "1d"), ("1h", "61m")], ids=["equal", "equal in words", "longer"]
)
def test_spec_refuses_renewal_before_issuance(ttl, wish):
    told = problem(attributes={"common-name": "a.example", "ttl": ttl}, lifecycle={"renew-before-expiry": wish})
    assert f"lifecycle.renew-before-expiry ({wish}) must be shorter than attributes.ttl" in told


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"labels": {}}, id="labels"),
        pytest.param({"lifecycle": {}}, id="lifecycle"),
        pytest.param({"destinations": [{"type": "acm"}]}, id="destinations"),
        pytest.param({"name": "other"}, id="name of the record"),
        pytest.param(
            {
                "attributes": {
                    "common-name": "www.example.com",
                    "alt-names": ["192.0.2.10", "EXAMPLE.com", "www.example.com"],
                    "ttl": "2160h",
                }
            },
            id="the same in other words",
        ),
    ],
)
def test_request_hash_ignores_other_settings(changes):
    assert spec(**changes).request_hash == spec().request_hash


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"issuer": "other"}, id="issuer"),
        pytest.param({"private-key": {"algorithm": "EC_prime256v1"}}, id="key algorithm"),
        pytest.param({"attributes": WEB["attributes"] | {"ttl": "91d"}}, id="ttl"),
        pytest.param({"attributes": WEB["attributes"] | {"alt-names": ["example.com"]}}, id="names"),
        pytest.param({"attributes": WEB["attributes"] | {"common-name": "example.com"}}, id="common name"),
    ],
)
def test_request_hash_changes_with_the_request(changes):
    assert spec(**changes).request_hash != spec().request_hash


def test_request_hash_is_stable_across_releases():
    """Records store the hash: a changed one would renew every certificate."""
    assert spec().request_hash == "1892b2290c4545a24ad5f64460a3f45fd0bbe664d4c9d8d520c407e10092c3e7"
    plain = {"name": "a", "issuer": "i", "attributes": {"common-name": "a.example"}, "destinations": [{"type": "x"}]}
    expected = "702be59c0d97a6ec9e5979404ec66ac1d14d16fca20d950526bcaae07ecda89d"
    assert Spec.model_validate(plain).request_hash == expected


@pytest.mark.parametrize(
    "more",
    [
        {"organization": "Muster"}, {"organizational-unit": "Muster"}, {"country": "DE"}, {"state": "Muster"},
        {"locality": "Muster"}, {"street-address": "Muster"}, {"postal-code": "1"}, {"domain-components": ["a"]},
        {"key-usages": ["digital_signature"]}, {"extended-key-usages": ["server_auth"]},
    ],
    ids=lambda more: next(iter(more)),
)  # fmt: skip
def test_request_hash_covers_all_attributes(more):
    changed = spec(attributes=WEB["attributes"] | more)
    assert changed.request_hash != spec().request_hash
    assert Spec.model_validate(json.loads(json.dumps(changed.document()))) == changed


def test_request_hash_normalizes_usages():
    one, other = ["digital_signature", "key_encipherment"], ["key-encipherment", "digital-signature"]
    assert (
        spec(attributes=WEB["attributes"] | {"key-usages": one}).request_hash
        == spec(attributes=WEB["attributes"] | {"key-usages": other}).request_hash
    )


def test_request_hash_ignores_rotation():
    never = spec(**{"private-key": {"algorithm": "RSA_2048", "rotate": "never"}})
    assert never.private_key.rotate == "never"
    assert spec().private_key.rotate == "always"
    assert never.request_hash == spec().request_hash
    assert Spec.model_validate(never.document()) == never


def test_spec_locates_an_impossible_usage():
    with pytest.raises(ValidationError) as caught:
        spec(**{"attributes": {"common-name": "a.example", "key-usages": ["key_encipherment"]}, "private-key": {}})
    (told,) = caught.value.errors()
    assert told["loc"] == ("attributes", "key-usages")
    assert "EC keys do not encrypt (RFC 5480 §3" in told["msg"]


ASKED = {
    "common-name": "www.example.com",
    "organization": "Muster",
    "alt-names": ["dns:example.com"],
    "key-usages": ["digital_signature"],
    "extended-key-usages": ["client_auth"],
}
KEY = PrivateKey.generate("EC_secp384r1")
CSR = KEY.sign_csr(Attributes.model_validate(ASKED))


def supplied(**changes):
    bare = {"name": "web", "issuer": "development", "destinations": [{"type": "x"}], "csr": CSR}
    return Spec.model_validate({**bare, **changes})


def test_spec_with_a_csr_needs_nothing_else():
    wanted = supplied()
    assert wanted.csr == CSR
    assert wanted.private_key.algorithm == "EC_secp384r1"
    assert wanted.attributes.common_name == "www.example.com"
    assert wanted.attributes.organization == "Muster"
    assert [str(name) for name in wanted.attributes.identifiers] == ["dns:example.com", "dns:www.example.com"]
    assert wanted.attributes.key_usages == ("digital_signature",)
    assert wanted.attributes.extended_key_usages == ("client_auth",)
    assert mismatches_of(wanted) == []


def mismatches_of(wanted):
    """The certificate that is issued for the CSR matches the spec."""
    name = "web"
    request = Request(name, wanted, wanted.csr, 1, "t", datetime(2026, 1, 15, tzinfo=UTC))
    chain = SelfSigned(SelfSigned.Settings()).issue_with(request, KEY).chain
    return mismatches(chain, wanted.attributes, KEY.public_bytes())


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="alone"),
        pytest.param({"attributes": {"ttl": "30d"}}, id="with a ttl"),
        pytest.param({"attributes": ASKED, "private-key": {"algorithm": "EC_secp384r1"}}, id="with all of it again"),
        pytest.param({"attributes": {"alt-names": ["example.com", "www.example.com"]}}, id="names in other words"),
        pytest.param({"private-key": {"rotate": "never"}}, id="for good"),
    ],
)
def test_spec_with_a_csr_round_trips(changes):
    wanted = supplied(**changes)
    assert Spec.model_validate(json.loads(json.dumps(wanted.document()))) == wanted
    assert wanted.request_hash == supplied(**changes).request_hash


@pytest.mark.parametrize(
    ("beside", "place", "told"),
    [
        ({"common-name": "other.example"}, "common-name", "the CSR has www.example.com;"),
        ({"organization": "Other"}, "organization", "the CSR has Muster;"),
        ({"country": "DE"}, "country", "the CSR has none;"),
        ({"alt-names": ["other.example"]}, "alt-names", "the CSR has dns:example.com, dns:www.example.com;"),
        ({"key-usages": ["key_agreement"]}, "key-usages", "the CSR has digital_signature;"),
        ({"extended-key-usages": ["server_auth"]}, "extended-key-usages", "the CSR has client_auth;"),
    ],
)
def test_spec_refuses_settings_that_contradict_the_csr(beside, place, told):
    with pytest.raises(ValidationError) as caught:
        supplied(attributes=beside)
    (problem,) = caught.value.errors()
    assert problem["loc"] == ("attributes", place)
    assert problem["msg"].startswith(told)
    assert problem["msg"].endswith("remove it here, or create a new CSR")


def test_spec_locates_a_key_algorithm_beside_a_csr():
    with pytest.raises(ValidationError) as caught:
        supplied(**{"private-key": {"algorithm": "RSA_2048"}})
    (problem,) = caught.value.errors()
    assert problem["loc"] == ("private-key", "algorithm")
    assert "the CSR has EC_secp384r1" in problem["msg"]


def test_spec_reports_all_contradictions_of_the_csr():
    with pytest.raises(ValidationError) as caught:
        supplied(attributes={"organization": "Other", "country": "DE"}, **{"private-key": {"algorithm": "RSA_2048"}})
    assert len(caught.value.errors()) == 3


def test_spec_reports_other_errors_beside_a_csr():
    with pytest.raises(ValidationError) as caught:
        supplied(attributes={"ttl": "1s", "comon-name": "x"})
    assert {error["loc"] for error in caught.value.errors()} == {("attributes", "ttl"), ("attributes", "comon-name")}


@pytest.mark.parametrize("text", ["dear reader", CSR * 2, KEY.pem() + CSR], ids=["words", "two", "with its key"])
def test_spec_error_never_quotes_an_invalid_csr(text):
    with pytest.raises(ValidationError) as caught:
        supplied(csr=text)
    (problem,) = caught.value.errors()
    assert problem["loc"] == ("csr",)
    assert not [line for line in text.splitlines() if "-----" not in line and line in str(caught.value)]


def test_spec_locates_an_impossible_usage_in_the_csr():
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("a.example")]), critical=True)
    builder = builder.add_extension(key_usage(["key_encipherment"]), critical=True)
    signed = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    with pytest.raises(ValidationError) as caught:
        supplied(csr=signed.public_bytes(serialization.Encoding.PEM).decode())
    assert [error["loc"] for error in caught.value.errors()] == [("csr",)]


def test_request_hash_changes_with_the_csr():
    other = PrivateKey.generate("EC_secp384r1").sign_csr(Attributes.model_validate(ASKED))
    assert supplied(csr=other).attributes == supplied().attributes
    assert supplied(csr=other).request_hash != supplied().request_hash
    assert (
        supplied().request_hash != spec(attributes=ASKED, **{"private-key": {"algorithm": "EC_secp384r1"}}).request_hash
    )


def test_request_hash_ignores_text_around_a_csr():
    assert supplied(csr=f"from: ops\n\n{CSR}").request_hash == supplied().request_hash


@pytest.mark.parametrize(
    ("wanted", "renews"),
    [
        (spec(), True),
        (spec(**{"private-key": {"algorithm": "RSA_2048", "rotate": "never"}}), True),
        (supplied(), False),
        (supplied(**{"private-key": {"rotate": "never"}}), True),
    ],
    ids=["a new key each time", "the same key", "a CSR", "a CSR for good"],
)
def test_spec_renews_a_csr_only_with_a_fixed_key(wanted, renews):
    assert wanted.renews is renews


def test_component_key_ignores_the_order_of_settings():
    one = Component.model_validate({"type": "x", "a": 1, "b": 2})
    assert one.key == Component.model_validate({"b": 2, "a": 1, "type": "x"}).key
    assert one.key != Component.model_validate({"type": "x", "a": 1, "b": 3}).key
    assert one.key != Component.model_validate({"type": "y", "a": 1, "b": 2}).key
    assert one.settings == {"a": 1, "b": 2}


def test_component_key_is_stable_across_releases():
    """Records name deliveries by this key: a changed one would deliver every certificate again."""
    assert (
        Component.model_validate({"type": "secrets-manager", "secret": "web"}).key == "secrets-manager-718dc34de74a49ba"
    )


@pytest.mark.parametrize("part", ["name", "attributes", "labels"])
def test_spec_is_immutable(part):
    with pytest.raises(ValidationError):
        setattr(spec(), part, None)


@pytest.mark.parametrize("kind", ["", "X", "a b", "a" * 41, "a\n", None, 5], ids=repr)
def test_component_refuses_invalid_types(kind):
    with pytest.raises(ValidationError):
        Component.model_validate({"type": kind})


@settings(database=None, derandomize=True, max_examples=40)
@given(st.dictionaries(st.text(max_size=5), st.one_of(st.integers(), st.text(max_size=5), st.none()), max_size=5))
def test_canonical_json_is_unique(value):
    text = canonical_json(value)
    assert json.loads(text) == value
    assert text == canonical_json(dict(reversed(value.items())))
    assert text.isascii()


def test_digest_is_stable_across_releases():
    """Stored hashes are compared with it: a changed value would renew every certificate."""
    assert canonical_json({"b": 1, "a": "ä"}) == '{"a":"\\u00e4","b":1}'
    assert digest({"b": 1, "a": "ä"}) == "78892fb919682f85e08161f2cd8e0e904520a093cd75421077a1c865e59e90c6"


def test_spec_refuses_the_reserved_metadata_key():
    told = problem(metadata={"evercert-request": "mine", "team": "web"})
    assert "evercert sets it" in told and "metadata.evercert-request" in told
    assert spec(metadata={"evercert-requests": "mine"}).metadata == {"evercert-requests": "mine"}


@pytest.mark.parametrize("value", [date(2027, 1, 1), {"a"}, b"a", {1: "a", "b": "c"}])
def test_spec_refuses_agent_values_that_are_not_json(value):
    with pytest.raises(ValidationError, match="put dates in quotes") as caught:
        Spec.model_validate({**WEB, "agent": {"x": value}})
    assert caught.value.errors()[0]["loc"] == ("agent",)


# -- several issuers --------------------------------------------------------------------------------------------------
def listed(*names, **changes):
    document = {key: value for key, value in WEB.items() if key != "issuer"}
    return Spec.model_validate({**document, "issuers": list(names), **changes})


def test_first_of_several_issuers_is_the_issuer():
    found = listed("letsencrypt", "zerossl")
    assert (found.issuer, found.issuer_names) == ("letsencrypt", ("letsencrypt", "zerossl"))
    document = found.document()
    assert document["issuers"] == ["letsencrypt", "zerossl"] and "issuer" not in document
    assert Spec.model_validate(document) == found


def test_list_of_one_issuer_is_that_issuer():
    assert listed("development") == spec()
    assert spec().issuer_names == ("development",)


def test_further_issuers_change_no_request():
    assert listed("development", "zerossl").request_hash == spec().request_hash
    assert listed("zerossl", "development").request_hash != spec().request_hash


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"issuers": ["a", "b"]}, "not allowed with issuer; list all issuers here"),
        ({"issuers": [], "issuer": None}, "issuer"),
        ({"issuers": "a", "issuer": None}, "not allowed with issuer"),
    ],
    ids=["both", "empty", "text"],
)
def test_wrong_list_of_issuers_is_refused(document, words):
    assert words in problem(**document)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([], "must be a list of names, the preferred issuer first"),
        (["a", "b", "a"], "'a' is listed twice; remove one"),
        (["a", "b c"], "an issuer's name has"),
        ([1, 2], "valid string"),
        (list("abcdef"), "at most 5"),
    ],
    ids=["empty", "repeated", "space", "numbers", "long"],
)
def test_wrong_issuers_are_refused(names, words):
    with pytest.raises(ValidationError) as caught:
        listed(*names)
    assert words in str(caught.value)


def test_followed_certificate_has_one_issuer():
    document = {"name": "web", "destinations": WEB["destinations"], "issuers": ["a", "b"]}
    with pytest.raises(ValidationError, match="which only its own issuer knows"):
        Spec.model_validate({**document, "certificate-id": "8a4e1c9e-6a5e-4b6e-9a53-0d7a3c1f2b44"})
