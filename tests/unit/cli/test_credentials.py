"""Credentials of agent documents: tried at the issuer, stored, and only then removed from the host."""

from __future__ import annotations

import json
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from evercert.aws.credential_writer import CredentialSecrets
from evercert.aws.tags import Owner
from evercert.cli import credentials, documents
from evercert.cli.files import BadInput, Files
from evercert.cli.issuer_context import allowed_hosts
from evercert.documents.spec import Component
from evercert.errors import Unavailable
from tests.doubles.fakes import FakeTable
from tests.doubles.infisical import Planted
from tests.doubles.infisical.identity_providers import key_pem, shared_key
from tests.doubles.infisical.server import Infisical
from tests.doubles.strict_aws import ACCOUNT, REGION, StrictSecretsManager
from tests.samples.agent_documents import document as agent_document
from tests.samples.agent_documents import entry

LOGIN, REVOKE = "POST /api/v1/auth/universal-auth/login", "POST /api/v1/auth/token/revoke"
WRONG = "0" * 64


@pytest.fixture(scope="module")
def running():
    with Infisical() as server:
        yield server


@pytest.fixture
def server(running):
    running.calls.clear()
    running.switches.calm()
    return running


class Host:
    """A host with an agent document, and a stack that stores its credentials."""

    def __init__(self, server: Infisical, folder: Any) -> None:
        self.server, self.folder = server, folder
        self.identity = server.estate.identity()
        self.secret = self.identity.new_client_secret(server.now())
        self.manager = StrictSecretsManager()
        clients: Any = SimpleNamespace(secretsmanager=self.manager, session=None)
        self.connection: Any = SimpleNamespace(
            clients=clients,
            id="arn:aws:cloudformation:eu-central-1:123456789012:stack/evercert/1",
            parameters={"IssuerHosts": ""},
            outputs={},
            owner=Owner(ACCOUNT, REGION, "evercert"),
            regions=[REGION],
            credential_secrets=CredentialSecrets(clients, "evercert"),
        )
        self.address = server.address

    def read(self, secret: str, **config: Any) -> Files:
        data = agent_document(
            entry(name="web"),
            entry(name="shop", application_name="other"),
            auth={
                "type": "universal-auth",
                "config": {"client-id": self.identity.client_id, "client-secret": secret, **config},
            },
            infisical={"address": self.address, "ca-bundle": self.server.ca_bundle},
        )
        file = self.folder / "agent.yaml"
        file.write_text(json.dumps(data))
        return Files([str(file)])

    def store(self, secret: str, *, check_login: bool = True, **config: Any) -> Files:
        found = self.read(secret, **config)
        verbs = self.connection.credential_secrets.compare(found.credentials)
        limit = timedelta(seconds=1)
        credentials.store(found, verbs, self.connection, check_login=check_login, attempt_limit=limit)
        return found

    @property
    def stored(self) -> str | None:
        texts = [self.manager.get_secret_value(SecretId=name)["SecretString"] for name in self.manager.secrets]
        return json.loads(texts[0])["client-secret"] if texts else None

    def remove(self, found: Files) -> str:
        (note,) = credentials.remove_files(found.removals, self.connection)
        return note


@pytest.fixture
def agent(server, tmp_path):
    return Host(server, tmp_path)


def problem(attempt: Any, secret: str) -> str:
    with pytest.raises(BadInput) as caught:
        attempt(secret)
    (line,) = caught.value.lines
    assert secret not in line
    return line


def test_credential_is_stored_after_one_login(agent, server):
    agent.store(agent.secret)
    assert agent.stored == agent.secret
    assert (server.count(LOGIN), server.count(REVOKE)) == (1, 1)


def test_refused_credential_replaces_nothing(agent):
    agent.store(agent.secret)
    line = problem(agent.store, WRONG)
    assert agent.stored == agent.secret
    assert line.startswith("issuer infisical.127_0_0_1-")
    assert "(web): the new credentials are not stored: cannot log in at https://127.0.0.1:" in line
    assert "401 Unauthorized: Invalid credentials" in line
    assert "remains unchanged" in line


def test_refused_first_credential_is_not_stored(agent):
    assert "are not stored" in problem(agent.store, WRONG)
    assert agent.stored is None


@pytest.mark.parametrize("fault", ["status", "hang", "drop-before", "redirect"])
def test_unreachable_issuer_is_another_message(agent, server, fault):
    agent.store(agent.secret)
    server.switches.fault(fault, "login", times=None, seconds=3)
    second = agent.identity.new_client_secret(server.now())
    line = problem(agent.store, second)
    assert "could not be tried, and are not stored" in line
    assert "pass --no-login-check" in line
    assert agent.stored == agent.secret


def test_first_credential_is_stored_if_the_issuer_is_offline(agent, server, capsys):
    """Nothing that works is replaced, and the operator may have no route to the issuer."""
    server.switches.fault("status", "login", times=None)
    agent.store(agent.secret)
    assert agent.stored == agent.secret
    assert "stored without a login" in capsys.readouterr().err


def test_login_check_can_be_skipped(agent, server):
    agent.store(agent.secret)
    server.calls.clear()
    agent.store(WRONG, check_login=False)
    assert agent.stored == WRONG
    assert not server.calls


def test_unchanged_credential_is_not_tried(agent, server):
    agent.store(agent.secret)
    server.calls.clear()
    agent.store(agent.secret)
    assert not server.calls


def test_credential_of_an_unlisted_host_is_not_sent(agent, capsys):
    agent.address = "https://infisical.invalid"
    agent.store(agent.secret)
    assert agent.stored == agent.secret
    assert "were not tried: IssuerHosts does not list the host" in capsys.readouterr().err


def test_issuer_of_another_document_may_leave_out_its_address(agent, capsys):
    """Its default is the hosted server, which this stack does not allow."""
    found = agent.read(agent.secret)
    (credential,) = found.credentials
    auth = {"type": "universal-auth", "credentials": {"aws-secret": credential.name}}
    found.issuers["hosted"] = Component.model_validate({"type": "infisical", "auth": auth})
    credentials.store(found, {credential.name: "create"}, agent.connection, check_login=True)
    assert (
        "issuer hosted: the new credentials were not tried: IssuerHosts does not list the host"
        in capsys.readouterr().err
    )


def test_allowed_hosts_include_the_own_authority(agent):
    agent.connection.outputs["AuthorityAddress"] = "https://ca.example.com"
    agent.connection.parameters["IssuerHosts"] = "app.infisical.com"
    hosts = allowed_hosts(agent.connection)
    origins = map(credentials.Origin.of, ("https://ca.example.com", "https://app.infisical.com", "https://b.example"))
    assert list(map(hosts.allow, origins)) == [True, True, False]


# -- remove-client-secret-on-read ---------------------------------------------------------------------------------------
REMOVE = {"remove-client-secret-on-read": True}


@pytest.fixture
def secret_file(agent, tmp_path):
    file = tmp_path / "client-secret"
    file.write_text(f"{agent.secret}\n")
    return file


def test_file_is_removed_after_it_is_stored(agent, secret_file):
    found = agent.store(str(secret_file), **REMOVE)
    assert secret_file.exists()
    assert "was deleted (remove-client-secret-on-read)" in agent.remove(found)
    assert not secret_file.exists()
    assert agent.stored == agent.secret


def test_file_remains_without_the_setting(agent, secret_file):
    assert agent.store(str(secret_file)).removals == []


def test_file_remains_if_the_login_is_refused(agent, secret_file):
    secret_file.write_text(WRONG)
    with pytest.raises(BadInput):
        agent.store(str(secret_file), **REMOVE)
    assert secret_file.read_text() == WRONG


def test_file_remains_if_the_secret_is_not_stored(agent, secret_file):
    """A run that ends between reading the file and writing the secret loses nothing."""
    found = agent.read(str(secret_file), **REMOVE)
    assert "does not contain its value; apply the document again" in agent.remove(found)
    agent.store(WRONG, check_login=False)
    assert "does not contain its value; apply the document again" in agent.remove(found)
    assert secret_file.read_text().strip() == agent.secret


def test_file_remains_if_the_secret_cannot_be_read_back(agent, secret_file, monkeypatch):
    found = agent.store(str(secret_file), **REMOVE)
    monkeypatch.setattr(agent.manager, "get_secret_value", agent.manager.delete_secret)
    monkeypatch.setattr(agent.manager, "describe_secret", lambda **_: {"Tags": [], "Name": ""})
    assert "was not deleted: secret" in agent.remove(found)
    assert secret_file.exists()


def test_file_remains_if_it_has_changed(agent, secret_file):
    found = agent.store(str(secret_file), **REMOVE)
    secret_file.write_text("a newer client secret")
    assert "its content has changed; apply the document again" in agent.remove(found)
    assert secret_file.exists()


def test_file_remains_if_it_is_a_link(agent, secret_file, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(secret_file)
    found = agent.store(str(link), **REMOVE)
    assert "it is a link; delete its target" in agent.remove(found)
    assert link.exists() and secret_file.exists()


def test_file_is_removed_by_the_next_apply(agent, secret_file):
    """A run that ends between storing and removing leaves the file; the next one removes it."""
    agent.store(str(secret_file), **REMOVE)
    assert "was deleted" in agent.remove(agent.store(str(secret_file), **REMOVE))


def test_document_applies_again_after_the_removal(agent, secret_file):
    agent.remove(agent.store(str(secret_file), **REMOVE))
    again = agent.read(str(secret_file), **REMOVE)
    credentials.require_stored(again, agent.connection)
    assert again.credentials == [] and again.removals == []


def test_removed_file_without_a_stored_secret_is_reported(agent, tmp_path):
    found = agent.read(str(tmp_path / "gone"), **REMOVE)
    with pytest.raises(BadInput, match=r"no such file on this host, and secret .* does not exist"):
        credentials.require_stored(found, agent.connection)


# -- the whole command --------------------------------------------------------------------------------------------------
class DyingTable(FakeTable):
    """A table that fails at the first issuer, as long as `dies`."""

    dies = True

    def write_issuer(self, name: str, definition: Component) -> None:
        if self.dies:
            raise Unavailable("the table is away")
        super().write_issuer(name, definition)


@pytest.fixture
def apply(agent, secret_file, monkeypatch):
    """Run `evercert apply` with the client secret in a file that it removes."""
    agent.connection.specs = DyingTable()
    agent.connection.queue = None
    monkeypatch.setattr(documents.terminal, "connect", lambda *_: agent.connection)

    def run(**options: Any) -> None:
        agent.read(str(secret_file), **REMOVE)
        documents.apply([str(agent.folder / "agent.yaml")], no_nudge=True, **options)

    return run


def test_apply_removes_the_file_as_its_last_step(agent, apply, secret_file, capsys):
    with pytest.raises(Unavailable):
        apply()
    assert secret_file.exists() and agent.stored == agent.secret
    agent.connection.specs.dies = False
    apply()
    assert not secret_file.exists()
    assert "was deleted (remove-client-secret-on-read)" in capsys.readouterr().err
    apply()
    assert agent.stored == agent.secret and agent.connection.specs.issuers()


def test_apply_writes_nothing_if_a_credential_is_refused(agent, apply, secret_file):
    secret_file.write_text(WRONG)
    agent.connection.specs.dies = False
    with pytest.raises(BadInput):
        apply()
    assert secret_file.exists() and agent.stored is None and not agent.connection.specs.issuers()
    apply(no_login_check=True)
    assert agent.stored == WRONG


def test_dry_run_neither_logs_in_nor_removes(agent, apply, secret_file, server):
    apply(dry_run=True)
    assert secret_file.exists() and agent.stored is None
    assert not server.calls


# -- every login whose credential is stored -----------------------------------------------------------------------------
@pytest.fixture(scope="module")
def planted():
    with Planted() as server:
        yield server


def logins(server: Planted) -> dict[str, tuple[dict[str, Any], str, Any]]:
    """Return the settings of each login, the key of its credential, and a wrong one."""
    key = server.service_account_key
    return {
        "ldap-auth": (
            {"identity-id": server.machine.id, "username": server.ldap_user, "password": server.ldap_password},
            "password",
            "not the password",
        ),
        "gcp-iam": (
            {"identity-id": server.gcp_iam_machine.id, "service-account-key": key},
            "service-account-key",
            {**key, "private_key": key_pem(shared_key(3))},
        ),
    }


@pytest.mark.parametrize("kind", ["ldap-auth", "gcp-iam"])
def test_every_stored_credential_is_tried(planted, tmp_path, kind):
    agent = Host(planted, tmp_path)
    config, key, wrong = logins(planted)[kind]

    def store(value: Any) -> None:
        auth = {"type": kind, "config": {**config, key: value}}
        where = {"address": planted.address, "ca-bundle": planted.ca_bundle}
        (tmp_path / "agent.yaml").write_text(json.dumps(agent_document(entry(), auth=auth, infisical=where)))
        found = Files([str(tmp_path / "agent.yaml")])
        verbs = agent.connection.credential_secrets.compare(found.credentials)
        credentials.store(found, verbs, agent.connection, check_login=True)

    store(config[key])
    (name,) = agent.manager.secrets
    before = agent.manager.get_secret_value(SecretId=name)
    with pytest.raises(BadInput, match="the new credentials are not stored: cannot log in"):
        store(wrong)
    assert agent.manager.get_secret_value(SecretId=name) == before
