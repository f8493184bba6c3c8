"""Notes of `apply` about issuers whose host is not allowed, except the stack's own authority."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from evercert.cli.documents import _note_unlisted_hosts


@pytest.mark.parametrize("key", ["address", "directory"])
@pytest.mark.parametrize(
    ("address", "outputs", "noted"),
    [
        ("https://ca.example.com", {"AuthorityAddress": "https://ca.example.com"}, False),
        ("https://ca.example.com", {"AuthorityAddress": "https://ca.example.com:8443"}, True),
        ("https://ca.example.com", {}, True),
        ("https://app.infisical.com", {}, False),
        ("https://127.0.0.1:8443", {}, False),
    ],
)
def test_unlisted_hosts_ignores_own_authority(address: str, outputs: dict[str, str], noted: bool, key: str) -> None:
    issuer = SimpleNamespace(settings={key: address})
    found: Any = SimpleNamespace(issuers={"main": issuer})
    connection: Any = SimpleNamespace(parameters={"IssuerHosts": "app.infisical.com"}, outputs=outputs)
    notes = _note_unlisted_hosts(found, connection)
    assert bool(notes) is noted
    if noted:
        own = outputs.get("AuthorityAddress")
        instead = f" (the stack's own authority is {own})" if own else ""
        message = "issuer main: host ca.example.com is not allowed; add it to the stack's parameter IssuerHosts"
        assert notes == [message + instead]
