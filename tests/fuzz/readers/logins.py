"""Readers of stored credentials: what an operator or another system wrote into a secret."""

from __future__ import annotations

import base64
import json
from types import SimpleNamespace
from typing import Any

from evercert.aws.credential_reader import Credentials
from evercert.documents.secret_reference import Reference
from evercert.errors import EvercertError
from evercert.issuers.infisical.logins import LOGINS
from tests.doubles.fakes import HandClock
from tests.fuzz.changes import changed_tree, mutated_text
from tests.fuzz.reader import Reader
from tests.samples.agent_documents import IDENTITY
from tests.samples.certificates import key_pem

TYPED = (EvercertError,)
ADDRESS = "https://app.infisical.com"
SECRET = {"aws-secret": "evercert/credentials/main"}


def _encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def secrets() -> list[dict[str, Any]]:
    """Return the secret of each login, under the name of the login."""
    token = f"{_encoded({'alg': 'RS256'})}.{_encoded({'exp': 1_900_000_000, 'aud': [IDENTITY]})}.x"
    account = {"client_email": "a@example.com", "private_key_id": "1", "private_key": key_pem("RSA_2048").decode()}
    values: dict[str, dict[str, Any]] = {
        "universal-auth": {"client-id": IDENTITY, "client-secret": "secret"},
        "azure": {"token": token}, "gcp-id-token": {"token": token}, "kubernetes": {"service-account-token": token},
        "gcp-iam": {"service-account-key": account}, "ldap-auth": {"username": "a", "password": "b"},
    }  # fmt: skip
    return [
        {"login": name, "secret": {"address": ADDRESS, **values[name]}} for name in values if name in LOGINS.entries
    ]


def settings_of(login: str) -> dict[str, Any]:
    """Return the settings of a login that reads the secret."""
    kind = LOGINS.load(login).Settings
    fields = {field.alias or name for name, field in kind.model_fields.items()}
    wanted = {"credentials", "token", "service-account-token", "service-account-key", "username", "password"} & fields
    return {**dict.fromkeys(wanted, SECRET), **({"identity-id": IDENTITY} if "identity-id" in fields else {})}


def read_secret(case: Any) -> None:
    """Make a proof from the stored secret, which may hold any JSON."""
    read_text({**case, "secret": json.dumps(case["secret"])})


def read_text(case: Any) -> None:
    """Make a proof from the text of a secret."""
    client = SimpleNamespace(get_secret_value=lambda SecretId: {"SecretString": case["secret"]})
    clients: Any = SimpleNamespace(secretsmanager=client)
    context: Any = SimpleNamespace(credentials=Credentials(clients), aws=None, clock=HandClock())
    kind = LOGINS.load(case["login"])
    kind(kind.Settings.model_validate(settings_of(case["login"])), context).proof(ADDRESS)


def changed_secret(case: Any, chance: Any) -> Any:
    return {**case, "secret": changed_tree(case["secret"], chance)}


def changed_text(case: Any, chance: Any) -> Any:
    return {**case, "secret": mutated_text(case["secret"], chance)}


def texts() -> list[Any]:
    return [{**case, "secret": json.dumps(case["secret"])} for case in secrets()]


def reference() -> list[Any]:
    return [SECRET, {"aws-parameter": "/evercert/credentials/main#token"}]


READERS = [
    Reader("stored credential", secrets, read_secret, changed_secret, TYPED, cost=3),
    Reader("text of a credential", texts, read_text, changed_text, TYPED, cost=3),
    Reader("reference", reference, Reference.model_validate, changed_tree),
]
