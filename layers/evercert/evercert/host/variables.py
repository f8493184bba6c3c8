"""Variables of hooks: those of the Infisical agent's documentation, and a few more."""

from __future__ import annotations

from collections.abc import Mapping

from evercert.host.certificate import HostCertificate
from evercert.host.state import Installed
from evercert.timestamps import to_text

VARIABLES: Mapping[str, str] = {
    "certificate": "CERT_FILE_PATH",
    "private-key": "CERT_PRIVATE_KEY_FILE_PATH",
    "chain": "CERT_CHAIN_FILE_PATH",
    "fullchain": "CERT_FULLCHAIN_FILE_PATH",
    "combined": "CERT_COMBINED_FILE_PATH",
    "certificate-der": "CERT_DER_FILE_PATH",
    "private-key-der": "CERT_PRIVATE_KEY_DER_FILE_PATH",
    "pkcs12": "CERT_PKCS12_FILE_PATH",
    "jks": "CERT_JKS_FILE_PATH",
}


def of_hook(certificate: HostCertificate, installed: Installed | None) -> dict[str, str]:
    """Return the variables of a certificate's hooks; those of the installed one are missing before the first."""
    found = {"CERT_NAME": certificate.name}
    common_name = certificate.common_name or (installed.common_name if installed is not None else None)
    if common_name is not None:
        found["CERT_COMMON_NAME"] = common_name
    for output in certificate.outputs:
        found[VARIABLES[output.kind]] = str(output.path)
    if installed is not None:
        found["CERT_SERIAL_NUMBER"] = installed.serial_number
        found["CERT_FINGERPRINT_SHA256"] = installed.fingerprint
        found["CERT_NOT_AFTER"] = to_text(installed.not_after)
        found["CERT_REVISION"] = str(installed.revision)
    return found
