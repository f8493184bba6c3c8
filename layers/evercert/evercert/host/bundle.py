"""A certificate with its chain and private key, as a secret of the stack holds it, checked before it is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from evercert import json_parser
from evercert.errors import Misconfigured
from evercert.pki.certificate import Chain, to_pem
from evercert.pki.keys import PrivateKey, public_bytes


@dataclass(frozen=True)
class HostBundle:
    """A certificate whose private key, if there is one, belongs to it."""

    chain: Chain
    private_key_pem: str | None = field(repr=False)

    @property
    def leaf_pem(self) -> str:
        """Return the leaf as PEM."""
        return self.chain.leaf_pem

    @property
    def not_after(self) -> datetime:
        """Return the end of the first certificate of the chain that expires."""
        return self.chain.ends

    def issuers_pem(self, *, omit_root: bool) -> str:
        """Return the certificates above the leaf as PEM."""
        return self.chain.issuers_pem if omit_root else to_pem(self.chain.certificates[1:])


def read(value: str, secret: str) -> HostBundle:
    """Parse the value of a secret; raise Misconfigured if it is broken or its key is of another certificate."""
    try:
        found = json_parser.parse(value)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("certificate"), str):
        raise Misconfigured(
            f"{secret} does not hold a certificate as JSON: it has another format, or was edited; the agent needs a "
            "destination secrets-manager without `format`"
        )
    key = found.get("private_key")
    try:
        chain = Chain.from_pem(f"{found['certificate']}\n{found.get('certificate_chain') or ''}")
        public = public_bytes(chain.public_key)
        if key is not None and PrivateKey.from_pem(str(key)).public_bytes() != public:
            raise Misconfigured(f"{secret} holds a private key of another certificate; run: evercert renew")
    except ValueError as error:
        raise Misconfigured(f"{secret} cannot be read: {error}; was it edited? run: evercert renew") from None
    return HostBundle(chain, None if key is None else str(key))
