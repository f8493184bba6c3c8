"""Items as hands write them into the table, past everything that `apply` would have checked."""

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
    """A spec as it is stored, with what the hand has changed."""
    spec = {
        "name": name,
        "issuer": "development",
        "attributes": {"common-name": "www.example.com", "ttl": "90d"},
        "destinations": [{"type": "secrets-manager"}],
    }
    return {**spec, **changes}


def planted(name: str, spec: Any = None, **attributes: Any) -> dict[str, Any]:
    """The item of a record that was due a while ago; an attribute that is None is left out."""
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
    """What somebody else has imported into ACM: the emulator takes anything, but evercert reads what is there."""
    key = PrivateKey.generate("EC_prime256v1")
    spec = Spec.model_validate(wanted("theirs"))
    csr = key.sign_csr(spec.attributes)
    request = Request("theirs", spec, csr, 1, "token", datetime.now(UTC))
    chain = SelfSigned(SelfSigned.Settings()).issue_with(request, key).chain
    return {"Certificate": chain.leaf_pem.encode(), "PrivateKey": key.pem().encode()}
