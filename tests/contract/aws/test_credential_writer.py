"""Write credentials of agent documents to Secrets Manager; foreign secrets stay untouched."""

from types import SimpleNamespace

import pytest

from evercert.aws.credential_writer import CredentialSecrets
from evercert.documents.secret_reference import Credential
from evercert.errors import Misconfigured
from tests.doubles.strict_aws import StrictSecretsManager
from tests.samples.agent_documents import SECRET

NAME = "evercert/credentials/infisical-0123456789ab"


def credential(secret=SECRET):
    return Credential(NAME, {"address": "https://app.infisical.com", "client-secret": secret})


@pytest.fixture
def manager():
    return StrictSecretsManager()


def kept(manager, stack="evercert"):
    return CredentialSecrets(SimpleNamespace(secretsmanager=manager), stack)


def applied(manager, secret=SECRET):
    secrets, wanted = kept(manager), [credential(secret)]
    verbs = secrets.compare(wanted)
    secrets.write(wanted, verbs)
    return verbs[NAME]


def value(manager):
    return manager.get_secret_value(SecretId=NAME)["SecretString"]


def test_create_sets_the_tag_of_the_stack_and_the_address(manager):
    assert applied(manager) == "create"
    assert value(manager) == f'{{"address":"https://app.infisical.com","client-secret":"{SECRET}"}}'
    assert manager.secrets[NAME]["Tags"] == [{"Key": "evercert:stack", "Value": "evercert"}]


def test_second_apply_writes_nothing(manager):
    applied(manager)
    assert applied(manager) == "unchanged"
    assert manager.writes == ["create"]


def test_key_order_is_not_a_change(manager):
    applied(manager)
    text = f'{{ "client-secret": "{SECRET}", "address": "https://app.infisical.com" }}'
    manager.put_secret_value(SecretId=NAME, ClientRequestToken="x" * 32, SecretString=text)
    assert applied(manager) == "unchanged"


def test_changed_credential_and_return_create_new_versions(manager):
    applied(manager)
    assert applied(manager, "other") == "change"
    assert "other" in value(manager)
    assert applied(manager) == "change"
    assert SECRET in value(manager)


def test_non_json_value_is_replaced(manager):
    applied(manager)
    manager.put_secret_value(SecretId=NAME, ClientRequestToken="x" * 32, SecretString="[" * 50_000)
    assert applied(manager) == "change"


def test_compare_writes_nothing(manager):
    assert kept(manager).compare([credential()]) == {NAME: "create"}
    assert manager.writes == []


def test_apply_without_credentials_calls_nothing():
    assert kept(None).compare([]) == {}


@pytest.mark.parametrize("tags", [[], [{"Key": "evercert:stack", "Value": "another"}]])
def test_foreign_secret_is_left_unchanged(manager, tags):
    manager.create_secret(Name=NAME, ClientRequestToken="x" * 32, SecretString="{}", Description="", Tags=tags)
    with pytest.raises(Misconfigured, match="does not belong to stack evercert, so it is not changed") as caught:
        applied(manager)
    assert manager.writes == ["create"]
    assert SECRET not in str(caught.value)


def test_secret_scheduled_for_deletion_is_reported_with_the_fix(manager):
    applied(manager)
    manager.delete_secret(SecretId=NAME)
    with pytest.raises(Misconfigured, match=f"aws secretsmanager restore-secret --secret-id {NAME}"):
        applied(manager)


def test_aws_errors_never_quote_the_value(manager):
    applied(manager)
    with pytest.raises(Misconfigured) as caught:
        kept(manager).write([credential()], {NAME: "create"})
    assert SECRET not in f"{caught.value}{caught.value.__cause__}"
