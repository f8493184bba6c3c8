"""A second root above an issuing CA: certificates get an alternate chain."""

from __future__ import annotations

import uuid
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from evercert.authority.ca.definition import Installed
from tests.doubles.authority.authority import Setting
from tests.doubles.authority.ceremony import name, pem

TWO_YEARS = timedelta(days=730)


def cross_sign(setting: Setting, lifetime: timedelta = TWO_YEARS) -> x509.Certificate:
    """Have another root certify the issuing CA for EC keys, before its own certificate; return the certificate."""
    ca = setting.cas["EC-issuing"]
    key, own, begin = ec.generate_private_key(ec.SECP256R1()), ca.current.x509, setting.clock()
    constraints = x509.BasicConstraints(ca=True, path_length=None)
    made = []
    for subject, public_key in ((name("old root"), key.public_key()), (own.subject, own.public_key())):
        builder = x509.CertificateBuilder(name("old root"), subject, public_key, x509.random_serial_number())  # type: ignore[arg-type]
        builder = builder.not_valid_before(begin).not_valid_after(begin + lifetime)
        made.append(builder.add_extension(constraints, critical=True).sign(key, hashes.SHA256()))
    root, cross = made
    earlier = Installed(id=str(uuid.uuid4()), certificate=pem(cross), chain=pem(root))
    setting.configuration.put(ca.model_copy(update={"installed": (earlier, *ca.installed)}))
    return cross
