"""Readers of document files: certificates and issuers, the Infisical agent's two versions, the authority's."""

from __future__ import annotations

import json
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from evercert.authority.configuration import document as authority_document
from evercert.cli.authority import documents as authority_documents
from evercert.cli.authority.document_plan import Stored
from evercert.cli.files import KINDS, BadInput, Files
from evercert.cli.infisical_agent import auth_values
from evercert.cli.infisical_agent.host import Host
from evercert.cli.infisical_agent.translation import Agent
from evercert.cli.infisical_agent.translation import read as read_agent
from evercert.cli.source import Unreadable, load
from evercert.documents import document
from tests.doubles.fakes import spec
from tests.fuzz.changes import changed_tree
from tests.fuzz.reader import Reader
from tests.fuzz.readers import requests
from tests.fuzz.readers.authority_items import setting
from tests.samples import agent_documents
from tests.samples.requests import pem
from tests.tools.local_stack import ROOT

EXAMPLES = [ROOT / "examples" / name for name in ("web.yaml", "agent.yaml", "authority.yaml")]


def trees() -> list[Any]:
    """Return documents of evercert as values: the example, every setting, a CSR."""
    full = spec().document() | {"labels": {"team": "web"}, "description": "x"}
    csr = {key: value for key, value in full.items() if key != "attributes"} | {"csr": pem(requests.samples()[0])}
    universal = {"type": "universal-auth", "credentials": {"aws-secret": "evercert/credentials/main"}}
    logins = ({"type": "aws-iam", "identity-id": agent_documents.IDENTITY}, universal)
    issuers = {
        f"main-{number}": {
            "type": "infisical",
            "address": "https://app.infisical.com",
            "profile": "p",
            "project": "q",
            "auth": login,
        }
        for number, login in enumerate(logins)
    }
    whole = {"version": "evercert/v1", "issuers": issuers, "certificates": [full, {**csr, "name": "other"}]}
    return [_tree(EXAMPLES[0]), whole]  # fmt: skip


def agent_trees() -> list[Any]:
    bounds = {"common-name": "www.example.com", "not-after": "2027-01-31T00:00:00Z"}
    return [
        _tree(EXAMPLES[1]),
        agent_documents.document(),
        agent_documents.document(agent_documents.v1(), version="v1"),
        *(agent_documents.document(agent_documents.entry(attributes=bounds), auth=auth) for auth in logins()),
    ]


def logins() -> list[Any]:
    """Return an `auth` section of each type, with values from files, references and the document itself."""
    key = {"client_email": "a@example.com", "private_key_id": "1", "private_key": "x"}
    reference = {"aws-secret": "evercert/credentials/mine#token"}
    configs: dict[str, list[dict[str, Any]]] = {
        "gcp-iam": [{"service-account-key": json.dumps(key)}, {"service-account-key": key}],
        "kubernetes": [{"service-account-token": reference}, {}],
        "ldap-auth": [{"username": "/token", "password": "/token"}],
        "universal-auth": [{"client-id": agent_documents.CLIENT_ID, "client-secret": reference}],
    }
    return [
        {"type": kind, "config": {"identity-id": agent_documents.IDENTITY, **config}}
        for kind, found in configs.items()
        for config in found
    ]


def _tree(file: Path) -> Any:
    return yaml.safe_load(file.read_text())


def read_file(data: bytes) -> None:
    """Read a file of any kind, as `validate` and `authority apply` do."""
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(data)
        try:
            Files([file.name], form_only=True, host=Host({}, lambda path: None))
        except BadInput as error:
            assert all(line.startswith(file.name) for line in error.lines)
        with suppress(Unreadable, BadInput):
            authority_documents.read([load(file.name)], Stored.of(setting().configuration), "evercert")  # type: ignore[arg-type]


def read_document(tree: Any) -> None:
    """Validate a document; what is valid is valid again as it is stored."""
    found = document.read(tree, KINDS)
    if isinstance(found, document.Document):
        for one in found.certificates:
            json.dumps(one.document(), ensure_ascii=False).encode()
            assert type(one).model_validate(one.document()) == one


def read_agent_document(tree: Any) -> None:
    """Translate a document of the agent; what is valid is a valid document of evercert."""
    for environment in ({"HOME": "/root"}, {auth_values.KEY_FILE: "/token", auth_values.IDENTITY: "x"}):
        found = read_agent(tree, KINDS, Host(environment, {"/token": "x"}.get)) if isinstance(tree, dict) else None
        if isinstance(found, Agent):
            assert document.read(found.data, KINDS) == found.document


READERS = [
    Reader("document file", lambda: [file.read_bytes() for file in EXAMPLES], read_file, cost=20),
    Reader("document", trees, read_document, changed_tree, cost=4),
    Reader("agent document", agent_trees, read_agent_document, changed_tree, cost=4),
    Reader("authority document", lambda: [_tree(EXAMPLES[2])], lambda tree: authority_document.read(tree, "evercert"), changed_tree, cost=6),
]  # fmt: skip
