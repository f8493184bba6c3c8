"""Tests of documents: defaults are filled in, every error is located."""

import copy

import pytest

from evercert.destinations import DESTINATIONS
from evercert.documents.document import Document, Kinds, Problem, places, read
from evercert.issuers import ISSUERS
from evercert.pki.attributes import Attributes
from evercert.pki.keys import PrivateKey

KINDS = Kinds(ISSUERS, DESTINATIONS)
GOOD = {
    "version": "evercert/v1",
    "issuers": {"development": {"type": "self-signed"}},
    "certificates": [
        {
            "name": "web",
            "issuer": "development",
            "attributes": {"common-name": "www.example.com", "alt-names": ["example.com"], "ttl": "90d"},
            "private-key": {"algorithm": "EC_prime256v1"},
            "lifecycle": {"renew-before-expiry": "30d"},
            "destinations": [{"type": "secrets-manager"}],
            "labels": {"team": "web"},
        }
    ],
}
WEB = ("certificates", 0)


def changed(path, value):
    """Return the valid document with one value replaced, or removed for `...`."""
    data = copy.deepcopy(GOOD)
    part = data
    for step in path[:-1]:
        part = part[step]
    if value is ...:
        del part[path[-1]]
    else:
        part[path[-1]] = value
    return data


def problems(path, value):
    found = read(changed(path, value), KINDS)
    assert isinstance(found, list)
    return found


def test_document_is_parsed():
    document = read(GOOD, KINDS)
    assert isinstance(document, Document)
    assert document.issuers["development"].type == "self-signed"
    assert [spec.name for spec in document.certificates] == ["web"]


def test_document_fills_in_destination_defaults():
    (spec,) = read(GOOD, KINDS).certificates
    assert spec.destinations[0].settings == {"secret": "evercert/certificates/web"}
    assert places(spec, DESTINATIONS) == ["secret evercert/certificates/web"]


def test_document_replaces_the_wildcard_in_secret_names():
    (spec,) = read(changed((*WEB, "name"), "*.example.com"), KINDS).certificates
    assert places(spec, DESTINATIONS) == ["secret evercert/certificates/_wildcard.example.com"]


def test_places_differ_in_acm_without_a_shared_arn():
    arn = "arn:aws:acm:eu-central-1:111122223333:certificate/1"

    def found(name: str, *destinations: dict) -> list[str]:
        document = changed((*WEB, "name"), name)
        document["certificates"][0]["destinations"] = [{"type": "acm", **settings} for settings in destinations]
        return places(read(document, KINDS).certificates[0], DESTINATIONS)

    assert found("a", {}) == ["acm import of a"]
    assert not set(found("a", {}, {"name": "x"}, {"region": "us-east-1"})) & set(found("b", {}, {"name": "x"}))
    assert len(set(found("a", {}, {"name": "x"}, {"region": "us-east-1"}))) == 3
    assert found("a", {"arn": arn}) == found("b", {"arn": arn})


def test_document_round_trips_through_storage():
    (spec,) = read(GOOD, KINDS).certificates
    again = read({"version": "evercert/v1", "certificates": [spec.document()]}, KINDS)
    assert again.certificates == (spec,)


@pytest.mark.parametrize("data", [None, [], "version: evercert/v1", 5], ids=repr)
def test_document_refuses_other_than_a_mapping(data):
    (problem,) = read(data, KINDS)
    assert problem == Problem((), "a document must be a mapping with version: evercert/v1, issuers: and certificates:")


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_document_refuses_agent_documents_in_one_line(version):
    agent = {
        "version": version,
        "infisical": {"address": "https://app.infisical.com"},
        "certificates": [{"project-slug": "x"}],
    }
    (problem,) = read(agent, KINDS)
    assert problem.path == ("version",)
    assert "Infisical agent" in problem.message
    assert problem.message.endswith("write version: evercert/v1")


@pytest.mark.parametrize("version", ["evercert/v2", "V1", 1, None], ids=repr)
def test_document_names_the_supported_version(version):
    (problem,) = problems(("version",), version)
    assert problem == Problem(("version",), "version: Input should be 'evercert/v1'")


@pytest.mark.parametrize(
    ("path", "known"),
    [
        pytest.param(("certificate",), "certificates", id="top"),
        pytest.param((*WEB, "atributes"), "attributes", id="certificate"),
        pytest.param((*WEB, "attributes", "comon-name"), "common-name", id="attributes"),
        pytest.param((*WEB, "attributes", "altnames"), "alt-names", id="missing hyphen"),
        pytest.param((*WEB, "lifecycle", "renew-before"), "renew-before-expiry", id="lifecycle"),
        pytest.param((*WEB, "private-key", "algoritm"), "algorithm", id="private key"),
        pytest.param((*WEB, "attributes", "organisation"), "organization", id="subject"),
        pytest.param((*WEB, "attributes", "keyusages"), "key-usages", id="usages"),
        pytest.param((*WEB, "cst"), "csr", id="CSR"),
        pytest.param((*WEB, "destinations", 0, "secrt"), "secret", id="destination"),
    ],
)
def test_document_suggests_the_nearest_key(path, known):
    (problem,) = problems(path, {})
    assert problem == Problem(path, f"unknown key {path[-1]!r}; did you mean {known!r}?")


def test_document_lists_known_keys():
    (problem,) = problems((*WEB, "private-key", "xyz"), "1")
    assert problem.message == "unknown key 'xyz' (known: algorithm, rotate, source)"


def test_document_suggests_kebab_case():
    data = changed((*WEB, "attributes", "common-name"), ...)
    data["certificates"][0]["attributes"]["common_name"] = "www.example.com"
    found = read(data, KINDS)
    assert isinstance(found, list)
    assert found[0].message == "unknown key 'common_name'; did you mean 'common-name'?"


def test_document_shows_keys_without_control_characters():
    (problem,) = problems((*WEB, "x\x1b[2J\n" + "y" * 200), "1")
    assert problem.message.isprintable()
    assert len(problem.message) < 250


def test_document_locates_a_key_that_is_not_text():
    (problem,) = problems((*WEB, 1), "x")
    assert problem.path[:2] == WEB
    assert "certificates[1]" not in problem.message


@pytest.mark.parametrize(
    ("path", "missing"),
    [
        pytest.param(("version",), "version", id="version"),
        pytest.param((*WEB, "name"), "name", id="name"),
        pytest.param((*WEB, "issuer"), "issuer", id="issuer"),
        pytest.param((*WEB, "attributes"), "attributes", id="attributes"),
        pytest.param((*WEB, "destinations"), "destinations", id="destinations"),
        pytest.param((*WEB, "destinations", 0, "type"), "type", id="type of a destination"),
        pytest.param(("issuers", "development", "type"), "type", id="type of an issuer"),
    ],
)
def test_document_reports_a_missing_key_once(path, missing):
    assert problems(path, ...) == [Problem(path, f"the key {missing!r} is missing")]


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        pytest.param((*WEB, "name"), "we b", "name: 'we b': a name has 1 to 200 letters", id="name"),
        pytest.param((*WEB, "issuer"), "a/b", "issuer: 'a/b': an issuer's name has", id="issuer name"),
        pytest.param((*WEB, "attributes", "ttl"), "90", "ttl: '90' is not a duration: a duration is", id="ttl"),
        pytest.param((*WEB, "attributes", "ttl"), 90, "ttl: not a duration: a duration is", id="ttl as a number"),
        pytest.param((*WEB, "attributes", "ttl"), "101y", "ttl: '101y' is out of range", id="long ttl"),
        pytest.param((*WEB, "attributes", "ttl"), "999999999y", "ttl: '999999999y' is out of range", id="endless ttl"),
        pytest.param(
            (*WEB, "lifecycle", "renew-before-expiry"),
            "100%",
            "renew-before-expiry: '100%' is not a share of the lifetime: 1% to 99%",
            id="share",
        ),
        pytest.param(
            (*WEB, "private-key", "algorithm"),
            "RSA_1024",
            "algorithm: Input should be 'EC_prime256v1', 'EC_secp384r1', 'EC_secp521r1', 'RSA_2048', 'RSA_3072', "
            "'RSA_4096', 'Ed25519' or 'issuer'",
            id="algorithm",
        ),
        pytest.param((*WEB, "destinations"), [], "destinations: give at least 1", id="no destination"),
        pytest.param(
            (*WEB, "destinations", 0, "secret"), "evercert/credentials/x", "secret", id="secret of a credential"
        ),
    ],
)
def test_document_locates_an_invalid_value(path, value, told):
    (problem,) = problems(path, value)
    assert problem.path == path[: len(problem.path)]
    assert told in problem.message


@pytest.mark.parametrize(
    ("name", "told"),
    [
        pytest.param("", "empty dns name", id="empty"),
        pytest.param("ip:", "empty ip name", id="empty address"),
        pytest.param("ip:1.2.3", "'1.2.3' does not appear to be an IPv4 or IPv6 address", id="address"),
        pytest.param("uri:nothing", "'nothing' is not a URI with a scheme", id="URI"),
        pytest.param("email:root", "'root' is not an e-mail address", id="e-mail"),
        pytest.param("*.com", "'*.com' is not a DNS name", id="wildcard"),
        pytest.param("☃.example", "is not a valid international name: Codepoint U+2603", id="international"),
        pytest.param(
            "uri:http://bücher.example", "write an international host as its A-label", id="URI in another script"
        ),
        pytest.param(443, "a name must be text", id="number"),
        pytest.param(None, "a name must be text", id="nothing"),
    ],
)
def test_document_locates_an_invalid_alternative_name(name, told):
    (problem,) = problems((*WEB, "attributes", "alt-names"), ["ok.example", name])
    assert problem.path == (*WEB, "attributes", "alt-names", 1)
    assert problem.message.startswith("alt-names[1]: ")
    assert told in problem.message


@pytest.mark.parametrize(
    ("path", "value", "wanted"),
    [
        pytest.param(("certificates",), {"name": "web"}, "list", id="certificates as a mapping"),
        pytest.param((*WEB, "attributes", "alt-names"), "a.example", "list", id="alt-names as text"),
        pytest.param((*WEB, "destinations"), "secrets-manager", "list", id="destinations as text"),
        pytest.param((*WEB, "labels"), ["team"], "dictionary|mapping", id="labels as a list"),
        pytest.param((*WEB, "attributes"), "www.example.com", "dictionary|mapping", id="attributes as text"),
        pytest.param((*WEB, "name"), 5, "string|text", id="name as a number"),
        pytest.param((*WEB, "labels", "team"), 5, "string|text", id="label as a number"),
        pytest.param(WEB, "web", "dictionary|mapping", id="certificate as text"),
        pytest.param(("issuers", "development"), "self-signed", "dictionary|mapping", id="issuer as text"),
    ],
)
def test_document_names_the_expected_type(path, value, wanted):
    (problem,) = problems(path, value)
    assert problem.path == path
    assert any(word in problem.message for word in wanted.split("|")), problem.message


@pytest.mark.parametrize(
    ("path", "kind", "told"),
    [
        (
            (*WEB, "destinations", 0, "type"),
            "secret-manager",
            "there is no destination type 'secret-manager'; did you mean 'secrets-manager'?",
        ),
        (
            ("issuers", "development", "type"),
            "self-signd",
            "there is no issuer type 'self-signd'; did you mean 'self-signed'?",
        ),
        (
            ("issuers", "development", "type"),
            "vault",
            "there is no issuer type 'vault' (known: acme, aws-private-ca, infisical, self-signed)",
        ),
    ],
    ids=["destination", "issuer", "unlike all others"],
)
def test_document_suggests_the_nearest_type(path, kind, told):
    assert problems(path, kind) == [Problem(path, told)]


def test_document_reports_an_unknown_issuer_setting():
    (problem,) = problems(("issuers", "development", "profile"), "x")
    assert problem.path == ("issuers", "development", "profile")
    assert problem.message.startswith("unknown key 'profile'")


def test_document_reports_an_invalid_issuer_name():
    (problem,) = problems(("issuers", "a b"), {"type": "self-signed"})
    assert problem.path == ("issuers", "a b")
    assert "an issuer's name has 1 to 100 letters" in problem.message


def test_document_refuses_renewal_before_issuance():
    (problem,) = problems((*WEB, "lifecycle", "renew-before-expiry"), "90d")
    assert problem.path[:2] == WEB
    assert "lifecycle.renew-before-expiry (90d) must be shorter than attributes.ttl" in problem.message


def test_document_refuses_a_certificate_without_names():
    (problem,) = problems((*WEB, "attributes"), {"common-name": "Payroll service"})
    assert problem.path == (*WEB, "attributes")
    assert "give at least one name" in problem.message


def test_document_refuses_too_many_names_for_a_secret():
    names = [f"host-{number}.example.com" for number in range(2_000)]
    (problem,) = problems((*WEB, "attributes", "alt-names"), names)
    assert problem.path == (*WEB, "destinations", 0)
    assert "too many names (2001): the secret would have about" in problem.message
    assert problem.message.endswith("Secrets Manager accepts 65536; split the certificate")


def test_document_accepts_a_hundred_names():
    names = [f"host-{number}.example.com" for number in range(100)]
    assert isinstance(read(changed((*WEB, "attributes", "alt-names"), names), KINDS), Document)


@pytest.mark.parametrize(
    ("key", "value", "place", "told"),
    [
        pytest.param("organization", "x" * 65, ("organization",), "organization: 1 to 64 printable characters", id="length"),
        pytest.param("country", "DEU", ("country",), "country: 'DEU': a country is two letters (ISO 3166), such as DE", id="country"),
        pytest.param("country", False, ("country",), "country: write text in quotes: YAML reads yes, no", id="Norway in YAML"),
        pytest.param("domain-components", "a", ("domain-components",), "domain-components: write a list", id="no list"),
        pytest.param("key-usages", ["crl_sign"], ("key-usages", 0), "key-usages[0]: crl_sign: only a CA", id="usage of a CA"),
        pytest.param("key-usages", ["digital-sign"], ("key-usages", 0), "did you mean 'digital_signature'?", id="unknown usage"),
        pytest.param("key-usages", ["key-encipherment"], ("key-usages",), "key-usages: key_encipherment with EC_prime256v1: EC keys", id="usage of another key"),
        pytest.param("extended-key-usages", ["time-stamping", "server-auth"], ("extended-key-usages",), "extended-key-usages: time_stamping with server_auth: must be", id="time stamping beside others"),
        pytest.param("key-usages", ["key_agreement", "encipher_only", "decipher_only"], ("key-usages",), "key-usages: encipher_only, decipher_only: each excludes", id="both restrictions"),
        pytest.param("extended-key-usages", ["any_purpose"], ("extended-key-usages", 0), "extended-key-usages[0]: any_purpose: name", id="any purpose"),
    ],
)  # fmt: skip
def test_document_locates_invalid_subjects_and_usages(key, value, place, told):
    (problem,) = problems((*WEB, "attributes", key), value)
    assert problem.path == (*WEB, "attributes", *place)
    assert told in problem.message


def test_document_lists_the_rotate_values():
    (problem,) = problems((*WEB, "private-key", "rotate"), "sometimes")
    assert problem == Problem((*WEB, "private-key", "rotate"), "rotate: Input should be 'always' or 'never'")


def with_csr(**beside):
    """Return the valid document with a CSR in place of its attributes."""
    asked = Attributes.model_validate({"common-name": "www.example.com", "organization": "Muster"})
    data = copy.deepcopy(GOOD)
    (certificate,) = data["certificates"]
    del certificate["attributes"], certificate["private-key"]
    certificate |= {"csr": PrivateKey.generate("Ed25519").sign_csr(asked), **beside}
    return data


def test_document_with_a_csr_needs_no_attributes():
    (spec,) = read(with_csr(), KINDS).certificates
    assert (spec.attributes.organization, spec.private_key.algorithm) == ("Muster", "Ed25519")
    again = read({"version": "evercert/v1", "certificates": [spec.document()]}, KINDS)
    assert again.certificates == (spec,)


@pytest.mark.parametrize(
    ("beside", "place", "told"),
    [
        ({"csr": "request.pem"}, ("csr",), "csr: has 0 PEM blocks"),
        ({"csr": 5}, ("csr",), "csr: write text"),
        ({"attributes": {"organization": "X"}}, ("attributes", "organization"), "organization: the CSR has Muster; remove"),
        ({"private-key": {"algorithm": "RSA_2048"}}, ("private-key", "algorithm"), "algorithm: the CSR has Ed25519; remove"),
        ({"attributes": "x"}, ("attributes",), "attributes: write a mapping"),
    ],
)  # fmt: skip
def test_document_locates_csr_errors(beside, place, told):
    found = read(with_csr(**beside), KINDS)
    (problem,) = [problem for problem in found if problem.path == (*WEB, *place)]
    assert told in problem.message


def test_document_reports_all_errors():
    data = changed((*WEB, "attributes", "ttl"), "soon")
    data["certificates"].append({"name": "x y", "issuer": "development", "attributs": {}})
    paths = {problem.path for problem in read(data, KINDS)}
    assert paths >= {(*WEB, "attributes", "ttl"), ("certificates", 1, "name"), ("certificates", 1, "attributs")}


def test_document_reports_setting_errors_beside_form_errors():
    data = changed((*WEB, "attributes", "ttl"), "soon")
    data["issuers"]["development"]["type"] = "self-signd"
    paths = {problem.path for problem in read(data, KINDS)}
    assert paths == {(*WEB, "attributes", "ttl"), ("issuers", "development", "type")}


def test_document_leaves_its_input_unchanged():
    data = copy.deepcopy(GOOD)
    read(data, KINDS)
    assert data == GOOD


@pytest.mark.parametrize("value", [True, False])
@pytest.mark.parametrize("key", ["country", "organization", "state"])
def test_boolean_for_text_names_yes_and_no(key, value):
    ((problem),) = problems((*WEB, "attributes", key), value)
    assert problem.message.startswith(f"{key}: write text in quotes: YAML reads yes, no, on, off, true and false")


@pytest.mark.parametrize(
    "data",
    [
        {"certificates": [{"issuer": 1}] * 9_000},
        {f"key{number}": 1 for number in range(9_000)},
        {"issuers": {f"i{number}": {"type": "unknown"} for number in range(9_000)}},
    ],
    ids=["certificates", "keys", "settings"],
)
def test_document_has_at_most_a_thousand_problems_of_a_kind(data):
    assert len(read({"version": "evercert/v1", **data}, KINDS)) <= 2_000


@pytest.mark.parametrize(
    ("changes", "path", "message"),
    [
        (
            {"retry": {"max-retrys": 3}},
            ("retry", "max-retrys"),
            "unknown key 'max-retrys'; did you mean 'max-retries'?",
        ),
        (
            {"external-account": {"keyid": "x"}},
            ("external-account", "keyid"),
            "unknown key 'keyid'; did you mean 'key-id'?",
        ),
        ({"emial": "a@example.com"}, ("emial",), "unknown key 'emial'; did you mean 'email'?"),
        ({"solvers": ["http-01"]}, ("solvers", 0), "solvers[0]: write a mapping"),
        (
            {"solvers": [{"type": "htp-01"}]},
            ("solvers", 0),
            "there is no solver type 'htp-01'; did you mean 'http-01'?",
        ),
    ],
    ids=["retry", "external-account", "issuer", "solver-as-text", "unknown-solver"],
)
def test_nested_mistake_is_reported_once_with_its_keys(changes: dict, path: tuple, message: str) -> None:
    definition = {
        "type": "acme",
        "directory": "https://ca.example.com/dir",
        "solvers": [{"type": "http-01"}],
        **changes,
    }
    problems = read({"version": "evercert/v1", "issuers": {"ca": definition}}, KINDS)
    found = {problem.path: problem.message for problem in problems}
    assert found[("issuers", "ca", *path)].endswith(message)
    assert ("issuers", "ca", "solvers") not in found
