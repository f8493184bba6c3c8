"""Changes of an issuer's account at its CA, by the issuer function: only its role can open account keys."""

from __future__ import annotations

from typing import Any

from evercert.contracts.issuer import HasAccount
from evercert.contracts.ports import Ports
from evercert.errors import EvercertError, Misconfigured, Rejected, Unexpected


def change_account(name: str, change: str, ports: Ports) -> dict[str, Any]:
    """Rotate the key of the account, deactivate or register it; return `found` and `problem`, one line each."""
    try:
        found = _changed(name, change, ports)
    except EvercertError as error:
        return {"found": "", "problem": str(error)}
    except Exception as error:  # noqa: BLE001 (its text could hold a secret)
        return {"found": "", "problem": str(Unexpected.of(error))}
    return {"found": found, "problem": None}


def _changed(name: str, change: str, ports: Ports) -> str:
    issuer = ports.issuers.open(name).issuer
    if not isinstance(issuer, HasAccount):
        raise Misconfigured(f"issuer {name} has no account at a CA: only issuers of type acme have one")
    match change:
        case "rotate-key":
            return issuer.account.rotate_key()
        case "deactivate":
            return issuer.account.deactivate()
        case "register":
            return issuer.account.register()
        case _:
            raise Rejected("unknown change of an account: deploy the stack with the release of the command line")
