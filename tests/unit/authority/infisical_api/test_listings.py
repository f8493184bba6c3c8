"""What `apply` says of issuers that the stack may not ask, its own authority among them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from evercert.cli.documents import _note_unlisted_hosts


@pytest.mark.parametrize(
    ("address", "outputs", "told"),
    [
        ("https://ca.example.com", {"AuthorityAddress": "https://ca.example.com"}, False),
        ("https://ca.example.com", {"AuthorityAddress": "https://ca.example.com:8443"}, True),
        ("https://ca.example.com", {}, True),
        ("https://app.infisical.com", {}, False),
        ("https://127.0.0.1:8443", {}, False),
    ],
)
def test_the_own_authority_needs_no_entry(address: str, outputs: dict[str, str], told: bool) -> None:
    issuer = SimpleNamespace(settings={"address": address})
    found: Any = SimpleNamespace(issuers={"main": issuer})
    connection: Any = SimpleNamespace(parameters={"IssuerHosts": "app.infisical.com"}, outputs=outputs)
    notes = _note_unlisted_hosts(found, connection)
    assert bool(notes) is told
    if told:
        own = outputs.get("AuthorityAddress")
        instead = f" (the stack's own authority is {own})" if own else ""
        said = "issuer main: host ca.example.com is not allowed; add it to the stack's parameter IssuerHosts"
        assert notes == [said + instead]
