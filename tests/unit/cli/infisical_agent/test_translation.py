"""A document of the agent becomes one that asks for the same."""

import itertools
import re

import pytest

from evercert.canonical_json import digest
from evercert.cli.infisical_agent.entries import Entry, Notes
from evercert.cli.infisical_agent.names import issuer as issuer_name
from evercert.cli.infisical_agent.translation import Agent
from tests.doubles.raw_server import bundle
from tests.samples.agent_documents import (
    CLIENT_ID,
    IDENTITY,
    SECRET,
    accepted,
    document,
    entry,
    host,
    notes,
    only_spec,
    outputs,
    refused,
    request,
    v1,
)


def names(*certificates, **sections):
    return [spec.name for spec in accepted(document(*certificates, **sections)).document.certificates]


def issuers(*certificates, where=None, **sections):
    found = accepted(document(*certificates, **sections), where).document.issuers
    return {name: definition.settings for name, definition in found.items()}


def test_v1_accepted():
    (issuer,) = issuers(v1(), version="v1").items()
    assert issuer == (
        "infisical-project.web-team.tls-server",
        {
            "address": "https://app.infisical.com",
            "project": "web-team",
            "profile": "tls-server",
            "auth": {"type": "aws-iam", "identity-id": IDENTITY},
        },
    )


def test_v2_accepted():
    (issuer,) = issuers(entry()).items()
    assert issuer[0] == "infisical.shop.tls-server"
    assert {key: issuer[1][key] for key in ("application", "profile")} == {
        "application": "shop",
        "profile": "tls-server",
    }


def test_certificate_with_full_attributes():
    attributes = {
        "common-name": "www.example.com",
        "alt-names": ["example.com", "*.example.com"],
        "ttl": "1y",
        "key-algorithm": "RSA_2048",
        "signature-algorithm": "RSA-SHA256",
        "key-usages": ["digital_signature", "key_encipherment"],
        "extended-key-usages": ["server_auth"],
    }
    spec = only_spec(document(entry(attributes=attributes)))
    assert spec["private-key"] == {"algorithm": "RSA_2048"}
    del attributes["key-algorithm"]
    assert spec["attributes"] == attributes | {
        "ttl": "365d",
        "alt-names": ["dns:example.com", "dns:*.example.com"],
    }


def test_multiple_certificates_have_an_issuer_for_each_profile():
    both = (
        entry(file_output=outputs("a")),
        entry(profile_name="mtls", attributes={"common-name": "db.example.com"}, file_output=outputs("b")),
    )
    assert set(issuers(*both)) == {"infisical.shop.tls-server", "infisical.shop.mtls"}
    assert names(*both) == ["www.example.com", "db.example.com"]


def test_certificates_of_one_profile_share_one_issuer():
    both = entry(file_output=outputs("a")), entry(attributes={"common-name": "b.example"}, file_output=outputs("b"))
    assert len(issuers(*both)) == 1


def test_without_an_algorithm_the_issuer_chooses_and_the_key_stays_here():
    assert only_spec(document())["private-key"] == {"algorithm": "issuer"}


def test_a_name_that_is_given_is_the_name():
    assert names(entry(name="web")) == ["web"]


def test_a_wildcard_keeps_its_star_as_a_name():
    data = document(entry(attributes={"common-name": "*.example.com"}))
    assert only_spec(data)["name"] == "*.example.com"
    assert only_spec(data)["destinations"][0]["secret"] == "evercert/certificates/_wildcard.example.com"


def test_an_international_common_name_is_named_as_in_the_certificate():
    assert names(entry(attributes={"common-name": "bücher.example"})) == ["xn--bcher-kva.example"]


def test_a_repeated_common_name_gets_its_profile_in_whatever_order():
    a, b = entry(file_output=outputs("a")), entry(profile_name="mtls", file_output=outputs("b"))
    assert names(a, b) == ["www.example.com-tls-server", "www.example.com-mtls"]
    assert names(b, a) == ["www.example.com-mtls", "www.example.com-tls-server"]


def test_one_that_has_a_name_of_its_own_repeats_nothing():
    assert names(entry(file_output=outputs("a")), entry(name="b", file_output=outputs("b"))) == ["www.example.com", "b"]


def test_a_repeated_common_name_of_one_profile_needs_a_name():
    ((path, message),) = refused(document(entry(file_output=outputs("a")), entry(file_output=outputs("b"))))
    assert path == ("certificates", 1)
    assert message == "certificate 2: certificate 1 has the same names and profile; give one of them a name of its own"


def test_a_common_name_that_is_no_name_here_needs_one():
    data = document(entry(attributes={"common-name": "Payroll service", "alt-names": ["pay.example"]}))
    ((_, message),) = refused(data)
    assert message.startswith("certificate 1: 'Payroll service' is no name for a certificate here; give it one")
    named = {**data["certificates"][0], "name": "payroll"}
    assert names(named) == ["payroll"]


def test_without_a_common_name_it_is_named_by_the_first_of_its_names_in_the_alphabet():
    assert names(entry(attributes={"alt-names": ["b.example", "a.example"]})) == ["a.example"]


def test_csr_based_issuance_takes_the_name_and_the_names_of_the_csr_and_renews_never():
    spec = only_spec(document(entry(csr=request(cn="csr.example"), attributes={"ttl": "30d"})))
    assert spec["name"] == "csr.example"
    assert spec["csr"].startswith("-----BEGIN CERTIFICATE REQUEST-----")
    assert spec["lifecycle"]["renew-before-expiry"] == "never"
    assert spec["attributes"]["ttl"] == "30d"


def test_csr_path_based_issuance_reads_the_file():
    spec = only_spec(
        document(entry(csr_path="/etc/web.csr", attributes=None)), host({"/etc/web.csr": request(cn="csr.example")})
    )
    assert spec["name"] == "csr.example"


def test_what_stands_beside_a_csr_is_not_used_and_told():
    data = document(entry(csr=request(cn="csr.example"), attributes={"common-name": "other.example", "ttl": "1d"}))
    assert only_spec(data)["attributes"]["common-name"] == "csr.example"
    assert "certificate 1: with a csr, attributes.common-name is the CSR's; not used" in notes(data)


def test_a_csr_without_a_dns_name_needs_a_name():
    by_mail = request(sans=["email:me@example.com"])
    ((path, message),) = refused(document(entry(csr=by_mail, attributes=None)))
    assert path == ("certificates", 0)
    assert message.startswith("certificate 1: its CSR has neither a common name nor a DNS name to be called by")
    assert names(entry(csr=by_mail, attributes=None, name="mail")) == ["mail"]


def follower(**changes):
    gone = dict.fromkeys(("application_name", "profile_name", "attributes", "lifecycle"))
    return entry(**{**gone, "certificate_id": CLIENT_ID, **changes})


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_certificate_id_skips_resolution(version):
    found = issuers(follower(), version=version)
    assert list(found) == ["infisical"]
    assert found["infisical"].keys() == {"address", "auth"}
    spec = only_spec(document(follower(), version=version))
    assert (spec["name"], spec["certificate-id"]) == (CLIENT_ID, CLIENT_ID)
    assert "lifecycle" not in spec
    assert names(follower(name="followed"), version=version) == ["followed"]


def test_a_certificate_id_is_a_uuid():
    ((path, message),) = refused(document(follower(certificate_id="web")))
    assert path == ("certificates", 0, "certificate-id")
    assert message.startswith("certificate 1: certificate-id: 'web': a certificate-id is a UUID")


@pytest.mark.parametrize(
    ("address", "origin", "name"),
    [
        ("https://app.infisical.com", "https://app.infisical.com", "infisical.shop.tls-server"),
        ("https://app.infisical.com/", "https://app.infisical.com", "infisical.shop.tls-server"),
        ("https://APP.infisical.com:443/api/", "https://app.infisical.com", "infisical.shop.tls-server"),
        (
            "https://eu.infisical.com/api",
            "https://eu.infisical.com",
            "infisical.eu_infisical_com.shop.tls-server",
        ),
    ],
)
def test_an_address_is_an_origin_and_part_of_the_issuers_name(address, origin, name):
    (issuer,) = issuers(infisical={"address": address}).items()
    assert (issuer[0], issuer[1]["address"]) == (name, origin)


def test_an_issuer_whose_name_would_be_too_long_or_strange_is_told_apart_by_a_hash():
    found = set()
    for owner in ("x" * 120, "x" * 121, "shop.one", "shop one"):
        (name,) = issuers(entry(application_name=owner))
        assert len(name) <= 100
        found.add(name)
    assert len(found) == 4


TEXTS = [
    "a", "b", "a-b", "a.b", "a_b", "a b", "A", digest("a.b")[:12], "b.example", "b_example", "b_example-8443", "x" * 99,
    f"{'x' * 98}y",
]  # fmt: skip
SERVERS = [
    "app.infisical.com", "b.example", "b.example:8443", "b.example-8443", "b-example", "b", "[2001:db8::1]", "192.0.2.1",
    "b.example/x", "b.example/x/y", "ca978112ca1b", f"{'x' * 60}.{'x' * 60}.example",
]  # fmt: skip


def test_no_two_issuers_have_one_name():
    whole = set(itertools.product(SERVERS, TEXTS, TEXTS, (True, False))) | {(s, None, None, False) for s in SERVERS}
    made = {issuer_name(f"https://{server}", *names, of_project=project) for server, *names, project in whole}
    assert len(made) == len(whole)
    assert all(re.fullmatch("[A-Za-z0-9._-]{1,100}", name) for name in made)


def test_what_is_plain_stands_in_an_issuers_name_as_it_is():
    assert issuer_name("https://b.example:8443", "a", "c") == "infisical.b_example-8443.a.c"
    assert issuer_name("https://127.0.0.1:8443", "a", "c", of_project=True) == "infisical-project.127_0_0_1-8443.a.c"
    assert issuer_name("https://b.example") == "infisical.b_example"
    assert issuer_name("https://app.infisical.com") == "infisical"


def test_a_project_and_an_application_of_one_name_are_two_issuers():
    assert set(issuers(v1(project_slug="shop"), version="v1")).isdisjoint(issuers(entry(application_name="shop")))


def test_a_name_that_no_application_has_is_told_where_it_stands():
    ((path, message),) = refused(document(entry(application_name="shop/one")))
    assert path == ("certificates", 0, "application-name")
    assert message.startswith("certificate 1: application: 'shop/one': a name has")


def test_a_port_is_part_of_an_issuers_name():
    found = [
        *issuers(infisical={"address": "https://i.example:8443"}),
        *issuers(infisical={"address": "https://i.example"}),
    ]
    assert len(set(found)) == 2


@pytest.mark.parametrize(
    ("address", "told"),
    [
        (
            "http://app.infisical.com",
            "address: http://app.infisical.com: http shows every token on its way; write https://app.infisical.com",
        ),
        ("https://me:pass@app.infisical.com", "address: the address has a user; write the server alone"),
        ("https://me:pass@[app", "address: the address has a user; write the server alone"),
        ("app.infisical.com", "address: invalid address 'app.infisical.com': must begin with https://"),
        ("https://[::1", "address: invalid address: must be https:// and a host"),
        ("https://x:port", "address: invalid address 'https://x:port': invalid port"),
        ("https://x.example/?a=b", "address: invalid address: it has a user, a query or a fragment"),
    ],
)
def test_an_address_that_is_no_https_server_is_refused(address, told):
    found = refused(document(infisical={"address": address}))
    assert found[0][0] == ("infisical", "address")
    assert found[0][1].startswith(told)
    assert "pass@" not in str(found)


def test_the_retry_strategy_is_the_issuers():
    strategy = {"max-retries": 5, "base-delay": "200ms", "max-delay": "5s"}
    (settings,) = issuers(infisical={"retry-strategy": strategy}).values()
    assert settings["retry"] == strategy


def test_more_than_ten_retries_are_ten():
    data = document(infisical={"retry-strategy": {"max-retries": 50}})
    assert accepted(data).document.issuers["infisical.shop.tls-server"].settings["retry"] == {"max-retries": 10}
    assert any(note.startswith("max-retries is 10 at the most") for note in notes(data))


def test_no_retries_are_the_default():
    data = document(infisical={"retry-strategy": {"max-retries": 0}})
    assert "retry" not in accepted(data).document.issuers["infisical.shop.tls-server"].settings
    assert "max-retries: 0 is the default to the agent, and here" in notes(data)


def test_without_a_span_it_is_issued_once_and_told():
    data = document(entry(lifecycle=None))
    assert only_spec(data)["lifecycle"] == {"renew-before-expiry": "never"}
    assert any(note.startswith("certificate 1: without renew-before-expiry it is issued once") for note in notes(data))


@pytest.mark.parametrize(
    ("interval", "meant"),
    [("10s", "5m"), ("0s", "5m"), ("0", "5m"), ("300s", "5m"), ("1h30m", "1h30m"), ("500ms", "5m")],
)
def test_the_status_is_checked_every_5_minutes_at_the_most(interval, meant):
    data = document(entry(lifecycle={"renew-before-expiry": "30d", "status-check-interval": interval}))
    assert only_spec(data)["lifecycle"]["status-check-interval"] == meant
    told = "certificate 1: status-check-interval is 5m at the least; read as that"
    assert (told in notes(data)) == (interval not in {"300s", "1h30m"})


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("90d", "90d"),
        ("1h30m", "1h30m"),
        ("1.5h", "1h30m"),
        ("90000ms", "1m30s"),
        ("1y", "365d"),
        ("2w", "14d"),
        ("+2h", "2h"),
    ],
)
def test_every_duration_of_the_agent_is_read(written, meant):
    spec = only_spec(document(entry(attributes={"common-name": "a.example", "ttl": written}, lifecycle=None)))
    assert spec["attributes"]["ttl"] == meant


def test_moments_that_yaml_takes_for_dates_are_moments():
    from datetime import UTC, date, datetime

    attributes = {
        "common-name": "a.example",
        "not-before": date(2027, 1, 1),
        "not-after": datetime(2027, 2, 1, tzinfo=UTC),
    }
    found = only_spec(document(entry(attributes=attributes, lifecycle=None)))["attributes"]
    assert (found["not-before"][:10], found["not-after"][:10]) == ("2027-01-01", "2027-02-01")


@pytest.mark.parametrize(
    ("name", "sent", "words"),
    [
        ("192.0.2.1", "ip:192.0.2.1", "an IP address"),
        ("ops@example.com", "email:ops@example.com", "an e-mail address"),
        ("spiffe://example.com/web", "uri:spiffe://example.com/web", "a URI"),
    ],
)
def test_alternative_names_have_their_real_type(name, sent, words):
    data = document(entry(attributes={"common-name": "www.example.com", "alt-names": ["a.example", name]}))
    assert sent in only_spec(data)["attributes"]["alt-names"]
    assert f"certificate 1: {name} is sent as {words}; the agent sends it as a DNS name" in notes(data)


@pytest.mark.parametrize(
    ("key", "written", "meant"),
    [
        ("extended-key-usages", "timestamping", "time_stamping"),
        ("extended-key-usages", "serverAuth", "server_auth"),
        ("key-usages", "digitalSignature", "digital_signature"),
    ],
)
def test_usages_in_the_spelling_of_the_documents_are_read_and_told(key, written, meant):
    data = document(entry(attributes={"common-name": "a.example", key: [written]}))
    assert only_spec(data)["attributes"][key] == [meant]
    assert f"certificate 1: {written} is {meant} to the server; sent as that" in notes(data)


def test_the_chain_is_delivered_with_its_root_where_the_document_says_so():
    for omit, expected in ((False, {"omit-root": False}), (True, {}), (None, {})):
        chain = {"path": "/chain.pem", **({} if omit is None else {"omit-root": omit})}
        given = entry(file_output={**outputs("a"), "chain": chain})
        found = Entry(given, 0, Notes()).spec("web", "infisical", None)
        assert found["destinations"] == [{"type": "secrets-manager", **expected}]
        (component,) = accepted(document(given)).document.certificates[0].destinations
        assert (component.settings.get("omit-root") is False) == (omit is False)


def test_post_hooks_and_files_are_kept_and_their_place_is_told_once():
    hooks = {
        "on-issuance": {"command": "systemctl reload nginx", "timeout": 30},
        "on-renewal": {"command": "systemctl reload nginx"},
        "on-failure": {"command": "mail root"},
    }
    both = [
        entry(post_hooks=hooks, file_output=outputs("a")),
        entry(post_hooks=hooks, attributes={"common-name": "b.example"}, file_output=outputs("b")),
    ]
    data = document(*both)
    kept = accepted(data).document.certificates[0].agent
    assert kept == {"post-hooks": hooks, "file-output": outputs("a")}
    assert [note for note in notes(data) if "post-hooks" in note or "file-output" in note] == [
        "certificates 1, 2: no file is written: file-output is kept, and the certificate goes into a secret",
        (
            "certificates 1, 2: no command is run: post-hooks are kept as written, so take secrets out; subscribe to the events instead (on-issuance → "
            "certificate.issued, on-renewal → certificate.renewed, on-failure → certificate.failed, certificate.expired "
            "and certificate.revoked)"
        ),
    ]


def test_what_means_nothing_here_is_accepted_and_told_once_each():
    data = document(
        entry(
            attributes={"common-name": "a.example", "remove-roots-from-chain": True, "destination-path": "/x"},
            lifecycle={"renew-before-expiry": "30d", "failure-retry-interval": "1m", "max-failure-retries": 3},
        ),
        infisical={"exit-after-auth": True, "revoke-credentials-on-shutdown": True},
        sinks=[{"type": "file", "config": {"path": "/token"}}],
        cache={"persistent": {"type": "kubernetes", "path": "/x"}},
    )
    told = notes(data, host(INFISICAL_CUSTOM_HEADERS="a=b", INFISICAL_AGENT_CONFIG_BASE64="eA=="))
    for word in (
        "exit-after-auth:",
        "revoke-credentials-on-shutdown:",
        "sinks:",
        "cache:",
        "attributes.remove-roots-from-chain",
        "attributes.destination-path",
        "failures are tried again",
        "INFISICAL_CUSTOM_HEADERS is set",
        "INFISICAL_AGENT_CONFIG_BASE64 is set",
    ):
        assert len([note for note in told if word in note]) == 1, word
    kept = accepted(data).document.certificates[0].agent
    assert kept["lifecycle"] == {"failure-retry-interval": "1m", "max-failure-retries": 3}
    assert kept["attributes"] == {"remove-roots-from-chain": True, "destination-path": "/x"}


def test_a_note_about_many_certificates_counts_them():
    many = [entry(attributes={"common-name": f"{n}.example"}, file_output=outputs(str(n))) for n in range(6)]
    assert any(note.startswith("6 certificates: no file is written") for note in notes(document(*many)))


def test_underscores_are_read_as_hyphens():
    data = document({key.replace("-", "_"): value for key, value in entry().items()})
    assert only_spec(data) == only_spec(document())


def test_what_is_empty_is_as_good_as_absent():
    data = document(
        entry(attributes={"common-name": "www.example.com", "ttl": "", "alt-names": [], "key-usages": None})
    )
    assert only_spec(data)["attributes"] == {"common-name": "www.example.com"}


CA = bundle()


def trusting(text: str | None, address: str = "https://ca.internal") -> Agent:
    files = {} if text is None else {"/etc/ca.pem": text}
    return accepted(document(infisical={"address": address}), host(files, SSL_CERT_FILE="/etc/ca.pem"))


def test_the_authority_that_the_host_trusts_goes_along_for_a_private_server() -> None:
    found = trusting(CA)
    (issuer,) = found.document.issuers.values()
    assert issuer.settings["ca-bundle"] == CA.strip()
    assert [note.message for note in found.notes if "SSL_CERT_FILE" in note.message] == [
        "SSL_CERT_FILE is set: the certificates in its file become ca-bundle of the issuer"
    ]


@pytest.mark.parametrize("text", [None, "no certificate", f"{CA}-----BEGIN PRIVATE KEY-----\n"])
def test_an_authority_that_cannot_be_read_is_told_and_keeps_nothing_up(text: str | None) -> None:
    found = trusting(text)
    (issuer,) = found.document.issuers.values()
    assert "ca-bundle" not in issuer.settings
    assert ["write infisical.ca-bundle" in note.message for note in found.notes if "SSL_CERT_FILE" in note.message] == [
        True
    ]


@pytest.mark.parametrize("address", ["https://app.infisical.com", "https://infisical.com", "https://eu.infisical.com"])
def test_infisicals_own_servers_are_trusted_by_public_authorities_whatever_the_host_says(address: str) -> None:
    found = trusting(CA, address)
    (issuer,) = found.document.issuers.values()
    assert "ca-bundle" not in issuer.settings
    assert not [note for note in found.notes if "SSL_CERT_FILE" in note.message]


@pytest.mark.parametrize("written", [CA, f"# für intern\n{CA}", "/etc/own.pem"])
def test_the_documents_own_authority_wins_over_that_of_the_host(written: str) -> None:
    where = host({"/etc/own.pem": CA, "/etc/ca.pem": "other"}, SSL_CERT_FILE="/etc/ca.pem")
    server = {"address": "https://ca.internal", "ca-bundle": written}
    (settings,) = (i.settings for i in accepted(document(infisical=server), where).document.issuers.values())
    assert settings["ca-bundle"].strip() == (CA.strip() if written.startswith("/") else written.strip())
    assert not [note for note in notes(document(infisical=server), where) if "SSL_CERT_FILE" in note]


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (f"{CA}-----BEGIN PRIVATE KEY-----\n{SECRET}", "ca-bundle: it contains a private key"),
        (f"-----BEGIN CERTIFICATE-----\n{SECRET}", "ca-bundle: must be PEM"),
        ("/etc/key.pem", "ca-bundle: it contains a private key"),
    ],
)
def test_what_is_no_authority_is_refused_once_and_not_quoted(written: str, told: str) -> None:
    where = host({"/etc/key.pem": f"{CA}-----BEGIN PRIVATE KEY-----\n{SECRET}"})
    several = (entry(), entry(profile_name="other", attributes={"common-name": "b.example"}, file_output=outputs("b")))
    ((path, message),) = refused(document(*several, infisical={"ca-bundle": written}), where)
    assert path == ("infisical", "ca-bundle")
    assert message.startswith(told)
    assert SECRET not in message


def test_an_authority_that_only_another_host_has_is_lacking() -> None:
    found = accepted(document(infisical={"ca-bundle": "/etc/own.pem"}))
    assert [problem.message for problem in found.absent] == ["ca-bundle: there is no file '/etc/own.pem' here"]


@pytest.mark.parametrize("length", [3_000, 50_000])
def test_a_hook_that_is_longer_than_what_is_kept_is_shortened(length: int) -> None:
    hooks = {hook: {"command": "é" * length} for hook in ("on-issuance", "on-renewal", "on-failure")}
    kept = only_spec(document(entry(post_hooks=hooks)))["agent"]["post-hooks"]
    assert {kept[hook]["command"][:100] for hook in hooks} == {"é" * 100}
    assert all(kept[hook]["command"].endswith("…") for hook in hooks)


def test_a_hook_that_fits_is_kept_as_it_is() -> None:
    hooks = {"on-renewal": {"command": "x" * 4_000}}
    assert only_spec(document(entry(post_hooks=hooks)))["agent"]["post-hooks"] == hooks


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"version": 1}, "version: write text"),
        ({"certificates": {"a": 1}}, "certificates: write a list"),
        ({"auth": "aws-iam"}, "auth: write a mapping"),
        ({"auth": {"type": 5}}, "type: write text"),
        ({"certificates": [entry(profile_name=5)]}, "certificate 1: profile-name: write text"),
        (
            {"certificates": [entry(attributes={"common-name": "John Doe"})]},
            "certificate 1: attributes: give at least one",
        ),
    ],
)
def test_one_mistake_is_one_line(changes: dict, told: str) -> None:
    ((_, message),) = refused({**document(), **changes})
    assert message.startswith(told)
