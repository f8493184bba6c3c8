"""An issuing CA that was replaced by one with a new key, as `evercert authority ca replace` does."""

from __future__ import annotations

import uuid

from evercert.authority.ca.builder import Issuer, IssuerURLs, Span, serial_number, sign_issuing_ca
from evercert.authority.ca.definition import CA, Installed
from evercert.authority.ca.kms_key import kms_private_key, public_key_of
from evercert.aws.authority.kms_keys import KMSKeys
from evercert.cli.authority.replacement import LEAD
from tests.doubles.authority.authority import Setting
from tests.doubles.authority.ceremony import YEAR, name, pem


def replace_ca(setting: Setting) -> tuple[CA, CA]:
    """Replace the CA for EC keys, and move all profiles; return the old CA and the new one."""
    keys = KMSKeys(setting.kms)  # type: ignore[arg-type]
    old, root = setting.cas["EC-issuing"], setting.cas["EC-root"]
    arn, above, begins = setting.kms.add(old.algorithm, 3), root.current, setting.clock() - LEAD
    signing = kms_private_key(keys, root.key, above.x509.public_key())  # type: ignore[arg-type]
    issuer = Issuer(above.x509, IssuerURLs.of(setting.address, root.id, above.id), signing)
    span = Span(begins, begins + 5 * YEAR)
    certificate = sign_issuing_ca(public_key_of(keys, arn), name("EC issuing 2"), serial_number(), span, issuer)
    installed = Installed(id=str(uuid.uuid4()), certificate=pem(certificate), chain=pem(above.x509))
    changes = {"id": str(uuid.uuid4()), "name": "EC-issuing-2", "key": arn, "installed": (installed,)}
    new = old.model_copy(update=changes)
    old = old.model_copy(update={"status": "retired", "replaced_by": new.id, "retired_at": setting.clock()})
    setting.configuration.put(old, new)
    for profile in setting.configuration.profiles():
        cas = tuple(new.name if one == old.name else one for one in profile.cas)
        setting.configuration.put(profile.model_copy(update={"cas": cas}))
    return old, new
