"""Run the test cases of Infisical's agent against evercert: its documents, applied against the double of Infisical.

Each test has the name of the agent's case. Cases that create CAs on the server are left out: they test the server.
Where the agent writes files, evercert delivers; where it runs a hook, evercert announces an event.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509

from evercert.cli.infisical_agent.translation import Agent
from evercert.contracts.issuer import OpenIssuer
from evercert.contracts.record import Record
from evercert.contracts.spec_store import Change
from evercert.documents.spec import Component, Spec
from evercert.issuers import ISSUERS
from evercert.issuers.infisical.issuer import Infisical
from evercert.operations.apply import TRANSACTION
from evercert.pki.keys import PrivateKey, public_bytes
from tests.doubles.enrollment import Enrollment, enrolled
from tests.doubles.fakes import spec
from tests.samples.agent_documents import CLIENT_ID, accepted, document, entry, host, outputs, refused, v1

NAMES = "/applications/by-name/"


class Agents(Enrollment):
    """Apply agent documents as `evercert apply` does, and read the results."""

    def apply(self, data: dict[str, Any], **files: str) -> Agent:
        """Store the credential, the issuers (with this server's address) and the certificates."""
        agent = accepted(data, host({name.replace("_", "."): text for name, text in files.items()}))
        if agent.credential is not None:
            self.vault.store(agent.credential.name, {**agent.credential.value, "address": self.server.address})
        process = self.context()
        for name, definition in agent.document.issuers.items():
            here = Component.model_validate({**definition.model_dump(by_alias=True), "address": self.server.address})
            issuer = Infisical(ISSUERS.settings(here), lambda: process)
            self.bench.issuers.known[name] = OpenIssuer(issuer, ISSUERS.identity_hash(here))
        specs = [_here(one) for one in agent.document.certificates]
        assert len(specs) <= TRANSACTION
        for number, wanted in enumerate(specs):
            uid = f"{number:08d}-0000-4000-8000-000000000000"
            self.bench.table.write(
                [Change(Record(name=wanted.name, uid=uid, spec=wanted, generation=1), None)], self.bench.clock()
            )
        return agent

    def leaf(self, name: str = "www.example.com") -> x509.Certificate:
        return self.bench.destinations.known[name].bundle.chain.leaf

    def announced(self) -> list[str]:
        return [outcome.type for outcome in self.bench.announcer.announced]


def _here(wanted: Spec) -> Spec:
    """The same, delivered where a test can look."""
    return wanted.model_copy(update={"destinations": (Component.model_validate({"type": "fake", "to": wanted.name}),)})


@pytest.fixture
def agents() -> Iterator[Agents]:
    with enrolled(kind=Agents) as agents:
        agents.server.estate.application("shop", "web-team", agents.profile)
        agents.server.estate.profile("tls-server", "web-team", agents.server.authority)
        yield agents


def login(agents: Agents, secret: str | None = None) -> dict[str, Any]:
    config = {"client-id": agents.identity.client_id, "client-secret": secret or agents.secret}
    return {"auth": {"type": "universal-auth", "config": config}}


# -- agent_cert_resolution_test: Resolve --------------------------------------------------------------------------------
def test_resolve_attached_profile(agents: Agents) -> None:
    agents.apply(document(**login(agents)))
    assert agents.bench.run("www.example.com") == "certificate.issued"
    assert agents.server.count(NAMES) == 1


def test_resolve_profile_not_attached(agents: Agents) -> None:
    agents.apply(document(entry(profile_name="no-profile"), **login(agents)))
    assert agents.bench.run("www.example.com") == "certificate.failed"
    assert "not attached" in error(agents)


def test_resolve_application_not_found(agents: Agents) -> None:
    agents.apply(document(entry(application_name="no-app"), **login(agents)))
    assert agents.bench.run("www.example.com") == "certificate.failed"
    assert "cannot find application 'no-app'" in error(agents)


def test_resolve_legacy_project_not_found(agents: Agents) -> None:
    agents.apply(document(v1(project_slug="no-project"), version="v1", **login(agents)))
    assert agents.bench.run("www.example.com") == "certificate.failed"
    assert "cannot find project 'no-project'" in error(agents)


def test_resolve_legacy_project_missing_profile(agents: Agents) -> None:
    agents.apply(document(v1(profile_name="no-profile"), version="v1", **login(agents)))
    assert agents.bench.run("www.example.com") == "certificate.failed"
    assert "cannot find profile 'no-profile' of project 'web-team'" in error(agents)


def test_resolve_legacy_project_and_profile(agents: Agents) -> None:
    agents.apply(document(v1(), version="v1", **login(agents)))
    assert agents.bench.run("www.example.com") == "certificate.issued", error(agents)
    assert agents.server.count("/projects/slug/") == agents.server.count("/certificate-profiles/slug/") == 1


def test_resolve_certificate_id_skips_resolution(agents: Agents) -> None:
    agents.bench.want(spec(**{"private-key": {"source": "issuer"}}))
    agents.bench.run()
    before = agents.server.count(NAMES)
    followed = entry(
        application_name=None,
        profile_name=None,
        attributes=None,
        lifecycle=None,
        certificate_id=agents.server.issued[0].id,
        name="followed",
    )
    agents.apply(document(followed, **login(agents)))
    assert agents.bench.run("followed") == "certificate.issued"
    assert agents.server.count(NAMES) == before


def test_resolve_multiple_certs(agents: Agents) -> None:
    agents.server.estate.applications["shop"].attached.update(
        {agents.server.estate.profile("tls-client", "web-team", agents.server.authority).id: True}
    )
    two = entry(
        profile_name="tls-client",
        attributes={"common-name": "two.example.com", "ttl": "30d"},
        lifecycle={"renew-before-expiry": "5d"},
        file_output=outputs("two"),
    )
    agents.apply(document(entry(), two, **login(agents)))
    for name in ("www.example.com", "two.example.com"):
        assert agents.bench.run(name) == "certificate.issued"


@pytest.mark.parametrize("key", ["application_name", "profile_name"])
def test_resolve_missing_fields_v2(key: str) -> None:
    assert any("is required" in message for _, message in refused(document(entry(**{key: None}))))


# -- agent_cert_resolution_test: Source ----------------------------------------------------------------------------------
def test_source_v1_accepted() -> None:
    assert len(accepted(document(v1(), version="v1")).document.certificates) == 1


def test_source_v2_accepted() -> None:
    assert len(accepted(document()).document.certificates) == 1


@pytest.mark.parametrize(
    ("version", "certificate"),
    [
        pytest.param("v1", v1(application_name="shop"), id="V1RejectsApplicationName"),
        pytest.param("v1", v1(profile_name=None), id="V1MissingProfile"),
        pytest.param("v1", v1(project_slug=None), id="V1MissingProject"),
        pytest.param("v2", entry(project_slug="web-team"), id="V2RejectsProjectSlug"),
        pytest.param("v2", entry(application_name=None), id="V2MissingApplication"),
        pytest.param("v3", entry(), id="UnsupportedVersion"),
    ],
)
def test_source_refused(version: str, certificate: dict[str, Any]) -> None:
    assert refused(document(certificate, version=version))


@pytest.mark.parametrize(
    ("version", "key"), [("v1", "project_slug"), ("v2", "application_name"), ("v1", "profile_name")]
)
def test_source_certificate_id_exclusivity(version: str, key: str) -> None:
    alone = {"application_name": None, "profile_name": None, "attributes": None, "lifecycle": None}
    both = entry(**{**alone, "certificate_id": "0f4b7c1e-5f3e-4d1b-9a3e-1c2d3e4f5a6b", key: "x"})
    expected = f"'certificate-id' cannot be used together with '{key.replace('_', '-')}'"
    assert any(expected in message for _, message in refused(document(both, version=version)))


# -- certificate_test: issued by an internal CA ---------------------------------------------------------------------------
def test_basic_certificate_issuance(agents: Agents) -> None:
    agents.apply(document(**login(agents)))
    assert agents.bench.run("www.example.com") == "certificate.issued"
    found = agents.bench.destinations.known["www.example.com"].bundle
    assert found.chain.common_name == "www.example.com"
    assert len(found.chain.certificates) > 1
    assert public_bytes(found.chain.public_key) == found.private_key.public_bytes()


def test_certificate_renewal(agents: Agents) -> None:
    short = entry(
        attributes={"common-name": "www.example.com", "ttl": "2m"}, lifecycle={"renew-before-expiry": "1m30s"}
    )
    agents.apply(document(short, **login(agents)))
    agents.bench.run("www.example.com")
    before, begun = agents.leaf(), agents.bench.clock()
    agents.bench.clock.now = agents.bench.record("www.example.com").renew_at
    assert agents.bench.clock() - begun <= timedelta(seconds=90)
    assert agents.bench.run("www.example.com") == "certificate.renewed", error(agents)
    assert agents.leaf() != before


def test_post_hook_execution(agents: Agents) -> None:
    agents.apply(document(entry(post_hooks={"on-issuance": {"command": "touch /x"}}), **login(agents)))
    agents.bench.run("www.example.com")
    assert agents.announced() == ["certificate.issued"]


def test_on_renewal_post_hook(agents: Agents) -> None:
    agents.apply(document(entry(post_hooks={"on-renewal": {"command": "touch /x"}}), **login(agents)))
    agents.bench.run("www.example.com")
    agents.bench.clock.now = agents.bench.record("www.example.com").renew_at
    agents.bench.run("www.example.com")
    assert agents.announced() == ["certificate.issued", "certificate.renewed"]


def test_multiple_certificates(agents: Agents) -> None:
    test_resolve_multiple_certs(agents)
    assert agents.leaf() != agents.leaf("two.example.com")
    assert len(agents.server.logins) == 1


def test_file_permissions() -> None:
    modes = {"certificate": "0644", "private-key": "0640", "chain": "0644"}
    output = {part: {"path": f"/{part}.pem", "permission": mode} for part, mode in modes.items()}
    (wanted,) = accepted(document(entry(file_output=output))).document.certificates
    assert wanted.agent["file-output"] == output
    invalid = {**output, "private-key": {"path": "/private-key.pem", "permission": "rw-r-----"}}
    found = accepted(document(entry(file_output=invalid)))
    assert any("'rw-r-----' is not a file mode, for which the agent takes 0600" in note.message for note in found.notes)


def test_alt_names(agents: Agents) -> None:
    names = ["www.example.com", "shop.example.com"]
    agents.apply(
        document(entry(attributes={"common-name": names[0], "alt-names": names, "ttl": "90d"}), **login(agents))
    )
    agents.bench.run("www.example.com")
    found = agents.leaf().extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert sorted(found.get_values_for_type(x509.DNSName)) == sorted(names)


@pytest.mark.parametrize("way", ["csr", "csr-path"], ids=["CSRBasedIssuance", "CSRPathBasedIssuance"])
def test_csr_based_issuance(agents: Agents, way: str) -> None:
    key = PrivateKey.generate("EC_prime256v1")
    csr = key.sign_csr(spec().attributes)
    source = {"csr": csr} if way == "csr" else {"csr_path": "request.csr"}
    output = {"certificate": {"path": "/www.crt"}}
    certificate = entry(attributes={"ttl": "30d"}, lifecycle=None, file_output=output, **source)
    agents.apply(document(certificate, **login(agents)), request_csr=csr)
    assert agents.bench.run("www.example.com") == "certificate.issued", error(agents)
    assert public_bytes(agents.leaf().public_key()) == key.public_bytes()
    assert agents.bench.destinations.known["www.example.com"].bundle.private_key is None


def test_issuance_failure_reporting(agents: Agents) -> None:
    agents.apply(document(entry(profile_name="unknown"), **login(agents)))
    assert agents.bench.run("www.example.com") == "certificate.failed"
    assert "profile 'unknown'" in agents.bench.announcer.announced[0].data["message"]
    assert "www.example.com" not in agents.bench.destinations.known or (
        agents.bench.destinations.known["www.example.com"].bundle is None
    )


def test_certificate_with_full_attributes(agents: Agents) -> None:
    attributes = {
        "common-name": "www.example.com",
        "ttl": "90d",
        "key-algorithm": "RSA_2048",
        "key-usages": ["digital_signature", "key_encipherment"],
        "extended-key-usages": ["server_auth", "client_auth"],
    }
    agents.apply(document(entry(attributes=attributes), **login(agents)))
    assert agents.bench.run("www.example.com") == "certificate.issued", error(agents)
    extensions = agents.leaf().extensions
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature and usage.key_encipherment
    assert len(list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)) == 2


def test_signature_algorithm(agents: Agents) -> None:
    attributes = {"common-name": "www.example.com", "ttl": "90d", "signature-algorithm": "ECDSA-SHA384"}
    agents.apply(document(entry(attributes=attributes), **login(agents)))
    assert agents.bench.run("www.example.com") == "certificate.issued", error(agents)
    assert agents.leaf().signature_hash_algorithm.name == "sha384"


def test_validation_renew_before_expiry_exceeds_ttl() -> None:
    (problem,) = refused(document(entry(lifecycle={"renew-before-expiry": "91d"})))
    assert "must be shorter than attributes.ttl" in problem[1]


def test_validation_both_csr_and_csr_path() -> None:
    both = entry(csr=PrivateKey.generate("EC_prime256v1").sign_csr(spec().attributes), csr_path="request.csr")
    assert any("csr-path" in message for _, message in refused(document(both)))


def test_validation_invalid_auth_credentials(agents: Agents) -> None:
    agents.apply(document(**login(agents, secret="0" * 64)))
    assert agents.bench.run("www.example.com") == "certificate.failed"
    assert "cannot log in" in error(agents)
    assert CLIENT_ID not in error(agents)


def test_validation_missing_certificate_path() -> None:
    problems = refused(document(entry(file_output={"private-key": {"path": "/www.key"}})))
    assert any("certificate.path is required" in message for _, message in problems)


def test_validation_nonexistent_application_name(agents: Agents) -> None:
    test_resolve_application_not_found(agents)


def test_v1_legacy_issuance(agents: Agents) -> None:
    test_resolve_legacy_project_and_profile(agents)
    assert agents.leaf().subject == x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "www.example.com")])


def test_v1_validation_rejects_app_only() -> None:
    assert refused(document(v1(project_slug=None, application_name="shop"), version="v1"))


def test_v2_validation_rejects_project_slug() -> None:
    assert refused(document(entry(application_name=None, project_slug="web-team")))


# -- certificate_test: an external CA -------------------------------------------------------------------------------------
@pytest.fixture
def external(agents: Agents) -> Agents:
    agents.profile.external = True
    agents.server.estate.applications["shop"].attached = {agents.profile.id: True}
    return agents


def test_external_ca_certificate_issuance(external: Agents) -> None:
    external.apply(document(**login(external)))
    assert external.bench.run("www.example.com") == "pending"
    external.server.finish()
    external.bench.clock.now = external.bench.record("www.example.com").due_at
    assert external.bench.run("www.example.com") == "certificate.issued", error(external)
    assert len(external.bench.destinations.known["www.example.com"].bundle.chain.certificates) > 1


def test_external_ca_multiple_certificates(external: Agents) -> None:
    two = entry(
        attributes={"common-name": "two.example.com", "ttl": "30d"},
        lifecycle={"renew-before-expiry": "5d"},
        file_output=outputs("two"),
    )
    external.apply(document(entry(), two, **login(external)))
    begun, names = external.bench.clock(), ("www.example.com", "two.example.com")
    for name in names:
        external.bench.run(name)
    external.server.finish()
    for name in names:
        external.bench.clock.now = max(external.bench.clock(), external.bench.record(name).due_at)
        assert external.bench.run(name) == "certificate.issued"
    assert external.bench.clock() - begun <= timedelta(seconds=600)


def test_external_ca_post_hook_execution(external: Agents) -> None:
    test_external_ca_certificate_issuance(external)
    assert external.announced() == ["certificate.issued"]


def test_external_ca_csr_based_issuance(external: Agents) -> None:
    key = PrivateKey.generate("EC_prime256v1")
    certificate = entry(
        attributes={"ttl": "30d"},
        lifecycle=None,
        file_output={"certificate": {"path": "/www.crt"}},
        csr=key.sign_csr(spec().attributes),
    )
    external.apply(document(certificate, **login(external)))
    external.bench.run("www.example.com")
    external.server.finish()
    external.bench.clock.now = external.bench.record("www.example.com").due_at
    assert external.bench.run("www.example.com") == "certificate.issued", error(external)
    assert public_bytes(external.leaf().public_key()) == key.public_bytes()


def test_external_ca_disabled(external: Agents) -> None:
    external.server.switches.then("fail")
    external.apply(document(**login(external)))
    outcomes = [external.bench.run("www.example.com")]
    external.bench.clock.now = external.bench.record("www.example.com").due_at
    outcomes.append(external.bench.run("www.example.com"))
    assert "certificate.failed" in outcomes
    assert "certificate.issued" not in outcomes


def error(agents: Agents, name: str = "www.example.com") -> str:
    found = agents.bench.record(name).last_error
    return "" if found is None else found.message
