"""Private keys of revisions: chosen or kept by evercert, or sent by an issuer, perhaps only once."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from evercert.contracts.issuer import Issued, KeyAdviser, OpenIssuer
from evercert.contracts.ports import Seal
from evercert.contracts.record import KeptKey, Pending, Record
from evercert.errors import Misconfigured, SealBroken
from evercert.pki.algorithms import KeyAlgorithm, algorithm_of
from evercert.pki.certificate import Chain
from evercert.pki.keys import PrivateKey

UNADVISED: KeyAlgorithm = "RSA_2048"  # accepted by every TLS peer


@dataclass(frozen=True)
class PrivateKeys:
    """Chooses private keys, and seals those that issuers generate."""

    seal: Seal

    def choose(self, record: Record, opened: OpenIssuer, watched: AbstractContextManager[None]) -> PrivateKey:
        """Return the kept key (rotate: never), or a new one of the algorithm of the document or of the issuer.

        `watched`: the breaker's context of a call to the issuer.
        """
        wanted, kept = record.spec.private_key, record.kept_key
        if wanted.rotate == "never" and kept is not None and wanted.known in (None, kept.algorithm):
            try:
                return self.seal.open(kept.sealed_key, record.uid, kept.revision)
            except SealBroken as error:
                raise Misconfigured(
                    f"cannot open the kept private key (rotate: never): {error}; for a new key apply the document with "
                    "rotate: always"
                ) from error
        if wanted.known is not None:
            return PrivateKey.generate(wanted.known)
        advised = None
        if isinstance(opened.issuer, KeyAdviser):
            with watched:
                advised = opened.issuer.key_algorithm()
        return PrivateKey.generate(advised or UNADVISED)

    def keep(self, record: Record, pending: Pending, issued: Issued) -> Pending:
        """Return the pending revision with the sealed key of the answer, if the issuer generated one."""
        if pending.csr is None and issued.private_key is not None:
            sealed_key = self.seal.close(issued.private_key, record.uid, pending.revision)
            return pending.model_copy(update={"sealed_key": sealed_key})
        return pending

    def restore(self, record: Record, pending: Pending, issued: Issued) -> Issued:
        """Return the answer with the key of an earlier answer whose chain could not be used, if it has none itself."""
        if pending.csr is None and issued.private_key is None and pending.sealed_key is not None:
            return replace(issued, private_key=self.seal.open(pending.sealed_key, record.uid, pending.revision))
        return issued


def csr_beside_chain(record: Record, pending: Pending) -> str | None:
    """Return the CSR to store beside the chain: a supplied one; the chain replaces one of evercert.

    That of a fixed key (rotate: never) remains, because the previous release fixes no key without a CSR.
    """
    made_here = pending.sealed_key is not None
    return None if made_here and record.spec.private_key.rotate != "never" else pending.csr


def key_to_keep(record: Record, pending: Pending) -> KeptKey | None:
    """Return the key that the next revisions use too (rotate: never), or None.

    A document with a key of the issuer cannot say so.
    """
    if record.spec.private_key.rotate != "never" or pending.sealed_key is None or pending.chain is None:
        return None
    algorithm = algorithm_of(Chain.from_pem(pending.chain).public_key)
    return KeptKey(sealed_key=pending.sealed_key, revision=pending.revision, algorithm=str(algorithm))
