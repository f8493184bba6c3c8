"""A client with an account."""

from __future__ import annotations

import pytest

from tests.doubles.authority.acme_client import AcmeAuthority, AcmeClient


@pytest.fixture
def authority() -> AcmeAuthority:
    return AcmeAuthority()


@pytest.fixture
def client(authority: AcmeAuthority) -> AcmeClient:
    client = AcmeClient(authority)
    assert client.register().status == 201
    return client
