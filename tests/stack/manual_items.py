"""Table items as manual edits create them, without the checks of `apply`."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from evercert.aws.dynamodb import items
from evercert.canonical_json import canonical_json
from evercert.contracts.issuer import Request
from evercert.contracts.queue import shard
from evercert.documents.spec import Spec
from evercert.issuers.self_signed import SelfSigned
from evercert.pki.keys import PrivateKey
from evercert.timestamps import to_text


def wanted(name: str, **changes: Any) -> dict[str, Any]:
    """Return a stored spec with these changes."""
    spec = {
        "name": name,
        "issuer": "development",
        "attributes": {"common-name": "www.example.com", "ttl": "90d"},
        "destinations": [{"type": "secrets-manager"}],
    }
    return {**spec, **changes}


def planted(name: str, spec: Any = None, **attributes: Any) -> dict[str, Any]:
    """Return the item of an overdue record; an attribute of None is left out."""
    values = {
        "pk": items.pk(name),
        "sk": items.SK,
        "schema": 1,
        "name": name,
        "uid": str(uuid.uuid4()),
        "spec": canonical_json(wanted(name) if spec is None else spec) if not isinstance(spec, str | int) else spec,
        "generation": 1,
        "state": "new",
        "due_at": to_text(datetime.now(UTC) - timedelta(hours=1)),
        "due_shard": shard(name),
        **attributes,
    }
    return {key: items.attribute(value) for key, value in values.items() if value is not None}


def bundle() -> dict[str, bytes]:
    """Return a valid certificate to import into ACM as a foreign one: the emulator accepts anything, evercert parses it."""
    key = PrivateKey.generate("EC_prime256v1")
    spec = Spec.model_validate(wanted("theirs"))
    csr = key.sign_csr(spec.attributes)
    request = Request("theirs", spec, csr, 1, "token", datetime.now(UTC))
    chain = SelfSigned(SelfSigned.Settings()).issue_with(request, key).chain
    return {"Certificate": chain.leaf_pem.encode(), "PrivateKey": key.pem().encode()}
