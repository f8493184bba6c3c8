"""Self-signed certificates, for profiles without a CA."""

from __future__ import annotations

from cryptography import x509

from evercert.authority.ca.builder import leaf_subject, serial_number
from evercert.authority.ca.leaf_fields import Leaf
from evercert.pki.keys import PrivateKey
from evercert.pki.usages import usage_extensions


def build_self_signed(leaf: Leaf, key: PrivateKey) -> x509.Certificate:
    """Build a self-signed end entity certificate (RFC 5280 §4.2).

    The issuer must not be empty (§4.1.2.4), so an empty subject gets the first name as common name.
    """
    name = leaf_subject(leaf)
    if not name.rdns:
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, leaf.names[0].value[:64])])
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key)
        .serial_number(serial_number())
        .not_valid_before(leaf.not_before.replace(microsecond=0))
        .not_valid_after(leaf.not_after.replace(microsecond=0))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(own, critical=False)
        # Only self-signed CA certificates may omit it (RFC 5280 §4.2.1.1).
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own), critical=False)
    )
    for extension, critical in usage_extensions(leaf.key_usages, leaf.extended_key_usages):
        builder = builder.add_extension(extension, critical)
    if leaf.names:
        names = x509.SubjectAlternativeName([one.general_name() for one in leaf.names])
        builder = builder.add_extension(names, critical=False)
    signs = "RSA" if key.algorithm.startswith("RSA") else "ECDSA"
    return key.sign_certificate(builder, f"{signs}-{leaf.hash}" if leaf.hash else None)
