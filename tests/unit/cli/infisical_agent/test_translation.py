"""Translation of agent documents to `evercert/v1`."""

import itertools
import re

import pytest

from evercert.canonical_json import digest
from evercert.cli.infisical_agent.entries import Entry
from evercert.cli.infisical_agent.names import issuer as issuer_name
from evercert.cli.infisical_agent.notes import Notes
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


def test_each_profile_gets_an_issuer():
    both = (
        entry(file_output=outputs("a")),
        entry(profile_name="mtls", attributes={"common-name": "db.example.com"}, file_output=outputs("b")),
    )
    assert set(issuers(*both)) == {"infisical.shop.tls-server", "infisical.shop.mtls"}
    assert names(*both) == ["www.example.com", "db.example.com"]


def test_certificates_of_one_profile_share_an_issuer():
    both = entry(file_output=outputs("a")), entry(attributes={"common-name": "b.example"}, file_output=outputs("b"))
    assert len(issuers(*both)) == 1


def test_key_algorithm_defaults_to_the_issuers_choice():
    assert only_spec(document())["private-key"] == {"algorithm": "issuer"}


def test_explicit_name_is_used():
    assert names(entry(name="web")) == ["web"]


def test_wildcard_name_keeps_its_star():
    data = document(entry(attributes={"common-name": "*.example.com"}))
    assert only_spec(data)["name"] == "*.example.com"
    assert only_spec(data)["destinations"][0]["secret"] == "evercert/certificates/_wildcard.example.com"


def test_international_common_name_becomes_an_a_label():
    assert names(entry(attributes={"common-name": "bücher.example"})) == ["xn--bcher-kva.example"]


def test_repeated_common_name_gets_its_profile():
    a, b = entry(file_output=outputs("a")), entry(profile_name="mtls", file_output=outputs("b"))
    assert names(a, b) == ["www.example.com-tls-server", "www.example.com-mtls"]
    assert names(b, a) == ["www.example.com-mtls", "www.example.com-tls-server"]


def test_explicit_name_does_not_count_as_repetition():
    assert names(entry(file_output=outputs("a")), entry(name="b", file_output=outputs("b"))) == ["www.example.com", "b"]


def test_repeated_common_name_of_one_profile_needs_a_name():
    ((path, message),) = refused(document(entry(file_output=outputs("a")), entry(file_output=outputs("b"))))
    assert path == ("certificates", 1)
    assert message == "certificate 2: same names and profile as certificate 1; add a name to one of them"


def test_common_name_that_is_no_valid_name_needs_a_name():
    data = document(entry(attributes={"common-name": "Payroll service", "alt-names": ["pay.example"]}))
    ((_, message),) = refused(data)
    assert message.startswith("certificate 1: 'Payroll service' is not a valid certificate name; add one")
    named = {**data["certificates"][0], "name": "payroll"}
    assert names(named) == ["payroll"]


def test_name_defaults_to_the_first_alternative_name():
    assert names(entry(attributes={"alt-names": ["b.example", "a.example"]})) == ["a.example"]


def test_csr_provides_names_and_is_never_renewed():
    spec = only_spec(document(entry(csr=request(cn="csr.example"), attributes={"ttl": "30d"})))
    assert spec["name"] == "csr.example"
    assert spec["csr"].startswith("-----BEGIN CERTIFICATE REQUEST-----")
    assert spec["lifecycle"]["renew-before-expiry"] == "never"
    assert spec["attributes"]["ttl"] == "30d"


def test_csr_path_is_read():
    spec = only_spec(
        document(entry(csr_path="/etc/web.csr", attributes=None)), host({"/etc/web.csr": request(cn="csr.example")})
    )
    assert spec["name"] == "csr.example"


def test_attributes_beside_a_csr_are_ignored_and_noted():
    data = document(entry(csr=request(cn="csr.example"), attributes={"common-name": "other.example", "ttl": "1d"}))
    assert only_spec(data)["attributes"]["common-name"] == "csr.example"
    assert "certificate 1: attributes.common-name is ignored: the CSR determines it" in notes(data)


def test_csr_without_a_dns_name_needs_a_name():
    by_mail = request(sans=["email:me@example.com"])
    ((path, message),) = refused(document(entry(csr=by_mail, attributes=None)))
    assert path == ("certificates", 0)
    assert message.startswith("certificate 1: its CSR has neither a common name nor a DNS name; add a name")
    assert names(entry(csr=by_mail, attributes=None, name="mail")) == ["mail"]


def follower(**changes):
    removed = dict.fromkeys(("application_name", "profile_name", "attributes", "lifecycle"))
    return entry(**{**removed, "certificate_id": CLIENT_ID, **changes})


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_certificate_id_needs_no_profile(version):
    found = issuers(follower(), version=version)
    assert list(found) == ["infisical"]
    assert found["infisical"].keys() == {"address", "auth"}
    spec = only_spec(document(follower(), version=version))
    assert (spec["name"], spec["certificate-id"]) == (CLIENT_ID, CLIENT_ID)
    assert "lifecycle" not in spec
    assert names(follower(name="followed"), version=version) == ["followed"]


def test_certificate_id_must_be_a_uuid():
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
def test_address_is_normalized_and_part_of_the_issuer_name(address, origin, name):
    (issuer,) = issuers(infisical={"address": address}).items()
    assert (issuer[0], issuer[1]["address"]) == (name, origin)


def test_long_or_unusual_issuer_names_are_hashed():
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


def test_issuer_names_are_unique():
    whole = set(itertools.product(SERVERS, TEXTS, TEXTS, (True, False))) | {(s, None, None, False) for s in SERVERS}
    made = {issuer_name(f"https://{server}", *names, of_project=project) for server, *names, project in whole}
    assert len(made) == len(whole)
    assert all(re.fullmatch("[A-Za-z0-9._-]{1,100}", name) for name in made)


def test_issuer_name_keeps_plain_parts():
    assert issuer_name("https://b.example:8443", "a", "c") == "infisical.b_example-8443.a.c"
    assert issuer_name("https://127.0.0.1:8443", "a", "c", of_project=True) == "infisical-project.127_0_0_1-8443.a.c"
    assert issuer_name("https://b.example") == "infisical.b_example"
    assert issuer_name("https://app.infisical.com") == "infisical"


def test_project_and_application_of_one_name_differ():
    assert set(issuers(v1(project_slug="shop"), version="v1")).isdisjoint(issuers(entry(application_name="shop")))


def test_invalid_application_name_is_reported_at_its_place():
    ((path, message),) = refused(document(entry(application_name="shop/one")))
    assert path == ("certificates", 0, "application-name")
    assert message.startswith("certificate 1: application: 'shop/one': a name has")


def test_issuer_name_includes_the_port():
    found = [
        *issuers(infisical={"address": "https://i.example:8443"}),
        *issuers(infisical={"address": "https://i.example"}),
    ]
    assert len(set(found)) == 2


@pytest.mark.parametrize(
    ("address", "message_start"),
    [
        (
            "http://app.infisical.com",
            "address: http://app.infisical.com: http exposes tokens; write https://app.infisical.com",
        ),
        ("https://me:pass@app.infisical.com", "address: the address contains a user; write only the server"),
        ("https://me:pass@[app", "address: the address contains a user; write only the server"),
        ("app.infisical.com", "address: invalid address 'app.infisical.com': must begin with https://"),
        ("https://[::1", "address: invalid address: must be https:// and a host"),
        ("https://x:port", "address: invalid address 'https://x:port': invalid port"),
        ("https://x.example/?a=b", "address: invalid address: it has a user, a query or a fragment"),
    ],
)
def test_address_must_be_an_https_server(address, message_start):
    found = refused(document(infisical={"address": address}))
    assert found[0][0] == ("infisical", "address")
    assert found[0][1].startswith(message_start)
    assert "pass@" not in str(found)


def test_retry_strategy_is_translated():
    strategy = {"max-retries": 5, "base-delay": "200ms", "max-delay": "5s"}
    (settings,) = issuers(infisical={"retry-strategy": strategy}).values()
    assert settings["retry"] == strategy


def test_retries_are_limited_to_ten():
    data = document(infisical={"retry-strategy": {"max-retries": 50}})
    assert accepted(data).document.issuers["infisical.shop.tls-server"].settings["retry"] == {"max-retries": 10}
    assert any(note.startswith("max-retries is lowered to 10, the maximum") for note in notes(data))


def test_zero_retries_mean_the_default():
    data = document(infisical={"retry-strategy": {"max-retries": 0}})
    assert "retry" not in accepted(data).document.issuers["infisical.shop.tls-server"].settings
    assert "max-retries: 0 means the default, as for the agent" in notes(data)


def test_missing_renew_before_expiry_means_never_and_is_noted():
    data = document(entry(lifecycle=None))
    assert only_spec(data)["lifecycle"] == {"renew-before-expiry": "never"}
    assert any(note.startswith("certificate 1: without renew-before-expiry it is issued once") for note in notes(data))


@pytest.mark.parametrize(
    ("interval", "meant"),
    [("10s", "5m"), ("0s", "5m"), ("0", "5m"), ("300s", "5m"), ("1h30m", "1h30m"), ("500ms", "5m")],
)
def test_status_check_interval_has_a_minimum(interval, meant):
    data = document(entry(lifecycle={"renew-before-expiry": "30d", "status-check-interval": interval}))
    assert only_spec(data)["lifecycle"]["status-check-interval"] == meant
    expected = "certificate 1: status-check-interval is raised to 5m, the minimum"
    assert (expected in notes(data)) == (interval not in {"300s", "1h30m"})


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
def test_durations_of_the_agent_are_translated(written, meant):
    spec = only_spec(document(entry(attributes={"common-name": "a.example", "ttl": written}, lifecycle=None)))
    assert spec["attributes"]["ttl"] == meant


def test_yaml_dates_are_accepted_as_timestamps():
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
def test_alternative_names_get_their_actual_type(name, sent, words):
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
def test_usages_in_other_spellings_are_translated_and_noted(key, written, meant):
    data = document(entry(attributes={"common-name": "a.example", key: [written]}))
    assert only_spec(data)["attributes"][key] == [meant]
    assert f"certificate 1: {written} is sent as {meant}, the server's spelling" in notes(data)


def test_omit_root_false_is_translated():
    for omit, expected in ((False, {"omit-root": False}), (True, {}), (None, {})):
        chain = {"path": "/chain.pem", **({} if omit is None else {"omit-root": omit})}
        certificate = entry(file_output={**outputs("a"), "chain": chain})
        found = Entry(certificate, 0, Notes()).spec("web", "infisical", None)
        assert found["destinations"] == [{"type": "secrets-manager", **expected}]
        (component,) = accepted(document(certificate)).document.certificates[0].destinations
        assert (component.settings.get("omit-root") is False) == (omit is False)


def test_post_hooks_and_files_are_stored_and_noted_once():
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
    stored = accepted(data).document.certificates[0].agent
    assert stored == {"post-hooks": hooks, "file-output": outputs("a")}
    assert [note for note in notes(data) if "post-hooks" in note or "file-output" in note] == [
        "certificates 1, 2: the stack writes no files: file-output is for `evercert agent` on the host; the certificate goes into a secret",
        (
            "certificates 1, 2: the stack runs no commands: post-hooks are for `evercert agent` on the host, and stored as written, so remove secrets; elsewhere subscribe to the events (on-issuance → "
            "certificate.issued, on-renewal → certificate.renewed, on-failure → certificate.failed, certificate.expired "
            "and certificate.revoked)"
        ),
    ]


def test_unused_settings_are_accepted_and_noted_once():
    data = document(
        entry(
            attributes={"common-name": "a.example", "remove-roots-from-chain": True, "destination-path": "/x"},
            lifecycle={"renew-before-expiry": "30d", "failure-retry-interval": "1m", "max-failure-retries": 3},
        ),
        infisical={"exit-after-auth": True, "revoke-credentials-on-shutdown": True},
        sinks=[{"type": "file", "config": {"path": "/token"}}],
        cache={"persistent": {"type": "kubernetes", "path": "/x"}},
    )
    noted = notes(data, host(INFISICAL_CUSTOM_HEADERS="a=b", INFISICAL_AGENT_CONFIG_BASE64="eA=="))
    for word in (
        "exit-after-auth:",
        "revoke-credentials-on-shutdown:",
        "sinks:",
        "cache:",
        "attributes.remove-roots-from-chain",
        "attributes.destination-path",
        "evercert retries failures",
        "INFISICAL_CUSTOM_HEADERS is set",
        "INFISICAL_AGENT_CONFIG_BASE64 is set",
    ):
        assert len([note for note in noted if word in note]) == 1, word
    stored = accepted(data).document.certificates[0].agent
    assert stored["lifecycle"] == {"failure-retry-interval": "1m", "max-failure-retries": 3}
    assert stored["attributes"] == {"remove-roots-from-chain": True, "destination-path": "/x"}


def test_note_about_many_certificates_counts_them():
    many = [entry(attributes={"common-name": f"{n}.example"}, file_output=outputs(str(n))) for n in range(6)]
    assert any(note.startswith("6 certificates: the stack writes no files") for note in notes(document(*many)))


def test_underscores_are_read_as_hyphens():
    data = document({key.replace("-", "_"): value for key, value in entry().items()})
    assert only_spec(data) == only_spec(document())


def test_empty_values_count_as_absent():
    data = document(
        entry(attributes={"common-name": "www.example.com", "ttl": "", "alt-names": [], "key-usages": None})
    )
    assert only_spec(data)["attributes"] == {"common-name": "www.example.com"}


CA = bundle()


def trusting(text: str | None, address: str = "https://ca.internal") -> Agent:
    files = {} if text is None else {"/etc/ca.pem": text}
    return accepted(document(infisical={"address": address}), host(files, SSL_CERT_FILE="/etc/ca.pem"))


def test_ssl_cert_file_becomes_the_ca_bundle() -> None:
    found = trusting(CA)
    (issuer,) = found.document.issuers.values()
    assert issuer.settings["ca-bundle"] == CA.strip()
    assert [note.message for note in found.notes if "SSL_CERT_FILE" in note.message] == [
        "SSL_CERT_FILE is set: its certificates become the issuer's ca-bundle"
    ]


@pytest.mark.parametrize("text", [None, "no certificate", f"{CA}-----BEGIN PRIVATE KEY-----\n"])
def test_unreadable_ssl_cert_file_is_noted(text: str | None) -> None:
    found = trusting(text)
    (issuer,) = found.document.issuers.values()
    assert "ca-bundle" not in issuer.settings
    assert ["set infisical.ca-bundle" in note.message for note in found.notes if "SSL_CERT_FILE" in note.message] == [
        True
    ]


@pytest.mark.parametrize("address", ["https://app.infisical.com", "https://infisical.com", "https://eu.infisical.com"])
def test_ssl_cert_file_is_ignored_for_hosted_servers(address: str) -> None:
    found = trusting(CA, address)
    (issuer,) = found.document.issuers.values()
    assert "ca-bundle" not in issuer.settings
    assert not [note for note in found.notes if "SSL_CERT_FILE" in note.message]


@pytest.mark.parametrize("written", [CA, f"# für intern\n{CA}", "/etc/own.pem"])
def test_ca_bundle_takes_precedence_over_ssl_cert_file(written: str) -> None:
    where = host({"/etc/own.pem": CA, "/etc/ca.pem": "other"}, SSL_CERT_FILE="/etc/ca.pem")
    server = {"address": "https://ca.internal", "ca-bundle": written}
    (settings,) = (i.settings for i in accepted(document(infisical=server), where).document.issuers.values())
    assert settings["ca-bundle"].strip() == (CA.strip() if written.startswith("/") else written.strip())
    assert not [note for note in notes(document(infisical=server), where) if "SSL_CERT_FILE" in note]


@pytest.mark.parametrize(
    ("written", "message_start"),
    [
        (f"{CA}-----BEGIN PRIVATE KEY-----\n{SECRET}", "ca-bundle: it contains a private key"),
        (f"-----BEGIN CERTIFICATE-----\n{SECRET}", "ca-bundle: must be PEM"),
        ("/etc/key.pem", "ca-bundle: it contains a private key"),
    ],
)
def test_invalid_ca_bundle_is_refused_once_and_not_quoted(written: str, message_start: str) -> None:
    where = host({"/etc/key.pem": f"{CA}-----BEGIN PRIVATE KEY-----\n{SECRET}"})
    several = (entry(), entry(profile_name="other", attributes={"common-name": "b.example"}, file_output=outputs("b")))
    ((path, message),) = refused(document(*several, infisical={"ca-bundle": written}), where)
    assert path == ("infisical", "ca-bundle")
    assert message.startswith(message_start)
    assert SECRET not in message


def test_ca_bundle_of_another_host_is_absent() -> None:
    found = accepted(document(infisical={"ca-bundle": "/etc/own.pem"}))
    assert [problem.message for problem in found.absent] == ["ca-bundle: no file '/etc/own.pem' on this host"]


@pytest.mark.parametrize("length", [3_000, 50_000])
def test_long_hooks_are_shortened(length: int) -> None:
    hooks = {hook: {"command": "é" * length} for hook in ("on-issuance", "on-renewal", "on-failure")}
    stored = only_spec(document(entry(post_hooks=hooks)))["agent"]["post-hooks"]
    assert {stored[hook]["command"][:100] for hook in hooks} == {"é" * 100}
    assert all(stored[hook]["command"].endswith("…") for hook in hooks)


def test_short_hooks_are_stored_unchanged() -> None:
    hooks = {"on-renewal": {"command": "x" * 4_000}}
    assert only_spec(document(entry(post_hooks=hooks)))["agent"]["post-hooks"] == hooks


@pytest.mark.parametrize(
    ("changes", "message_start"),
    [
        ({"version": 1}, "unsupported version: 1. Supported versions: v1, v2; write version: v1"),
        ({"version": ["v2"]}, "version: write text"),
        ({"certificates": {"a": 1}}, "certificates: write a list"),
        ({"auth": "aws-iam"}, "auth: write a mapping"),
        ({"auth": {"type": 5}}, "unknown login type '5'"),
        ({"auth": {"type": [5]}}, "type: write text"),
        ({"certificates": [entry(profile_name=[5])]}, "certificate 1: profile-name: write text"),
        (
            {"certificates": [entry(attributes={"common-name": "John Doe"})]},
            "certificate 1: attributes: give at least one",
        ),
    ],
)
def test_one_error_is_one_line(changes: dict, message_start: str) -> None:
    ((_, message),) = refused({**document(), **changes})
    assert message.startswith(message_start)


def test_time_stamping_beside_other_purposes_is_left_out():
    attributes = {"common-name": "a.example.com", "extended-key-usages": ["timestamping", "server_auth"]}
    data = document(entry(attributes=attributes))
    (spec,) = accepted(data).document.certificates
    assert spec.attributes.extended_key_usages == ("server_auth",)
    assert any("left out: time_stamping with server_auth: must be" in note for note in notes(data))


@pytest.mark.parametrize(
    ("algorithm", "usages", "left"),
    [
        ("EC_prime256v1", ["digital_signature", "key_encipherment"], ("digital_signature",)),
        ("EC_secp384r1", ["keyEncipherment", "digitalSignature"], ("digital_signature",)),
        ("EC_prime256v1", ["key_encipherment"], ()),
        ("RSA_2048", ["key_agreement", "encipher_only", "digital_signature"], ("digital_signature",)),
        ("EC_prime256v1", ["key_agreement", "encipher_only", "decipher_only"], ("key_agreement",)),
    ],
)
def test_usages_that_the_key_cannot_have_are_left_out(algorithm, usages, left):
    attributes = {"common-name": "a.example.com", "key-algorithm": algorithm, "key-usages": usages}
    data = document(entry(attributes=attributes))
    (spec,) = accepted(data).document.certificates
    assert (spec.attributes.key_usages or ()) == left
    assert [note for note in notes(data) if note.startswith("certificate 1: left out: ")]
