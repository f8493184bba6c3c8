"""The key of a certificate request: of the client's CSR, of the renewed certificate, or a new one."""

from __future__ import annotations

from dataclasses import dataclass, replace

from evercert.authority.ca.leaf_fields import Leaf
from evercert.authority.registration.external_csr import attributes_of, require_fitting
from evercert.authority.requests.csr import ParsedCsr
from evercert.pki.algorithms import KeyAlgorithm
from evercert.pki.keys import PrivateKey


@dataclass(frozen=True)
class RequestKey:
    """Key of a request; `private` only if the authority generated it."""

    public: object
    csr: str
    private: PrivateKey | None

    @classmethod
    def of(cls, supplied: ParsedCsr | None, key: PrivateKey | None, algorithm: KeyAlgorithm) -> RequestKey:
        """Return the key of the CSR, this key, or a new one of the algorithm."""
        if supplied is not None:
            return cls(supplied.public_key, supplied.pem, None)
        private = key or PrivateKey.generate(algorithm)
        return cls(private.public_key, private.sign_proof(), private)

    def for_external(self, leaf: Leaf) -> RequestKey:
        """Return the key with a CSR that an external issuer can sign; raise Refusal (400)."""
        if self.private is None:
            require_fitting(self.csr, leaf)
            return self
        return replace(self, csr=self.private.sign_csr(attributes_of(leaf)))
