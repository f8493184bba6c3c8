"""The signer refuses names that the CA's name constraints forbid, even if the ceiling allows them."""

from __future__ import annotations

import pytest
from cryptography import x509

from evercert.authority.api_errors import Refusal
from evercert.authority.ca.builder import CALimits
from evercert.authority.ca.constraints import Constraints
from evercert.authority.signer.signer import SigningService
from evercert.pki.identifiers import parse
from tests.doubles.authority.ceremony import ADDRESS, Ceremony, order
from tests.doubles.authority.configuration import FakeConfiguration
from tests.doubles.authority.ledger import MemoryLedger
from tests.doubles.fakes import START

LIMITS = Constraints.model_validate({"permitted": {"dns": ["example.com"]}})


@pytest.mark.parametrize(
    "ceremony",
    [Ceremony(constraints=LIMITS), Ceremony(root_limits=CALimits(None, LIMITS))],
    ids=["issuing", "root"],
)
def test_signer_refuses_names_outside_of_name_constraints(ceremony: Ceremony) -> None:
    ledger = MemoryLedger()
    signer = SigningService(
        FakeConfiguration(ceremony.root, ceremony.issuing), ledger, ceremony.keys, ADDRESS, lambda: START
    )
    inside = x509.load_der_x509_certificate(signer.leaf(order(ceremony.issuing)))
    assert inside.issuer == ceremony.issuing.current.x509.subject
    with pytest.raises(Refusal, match=r"DNS name 'www\.example\.net' is not permitted by the name constraints of"):
        signer.leaf(order(ceremony.issuing, names=(parse("dns:www.example.net"),)))
    with pytest.raises(Refusal, match="is not permitted by the name constraints of"):
        signer.leaf(order(ceremony.issuing, subject={"common_name": ("www.example.net",)}))
