"""Manual edits of secrets and ACM certificates."""

from __future__ import annotations

from cryptography import x509

from evercert.contracts.issuer import Request
from evercert.documents.spec import Spec
from evercert.issuers.self_signed import SelfSigned
from evercert.pki.algorithms import algorithm_of
from evercert.pki.keys import PrivateKey
from tests.random.universe import Universe

DEEDS = ("value", "value", "version", "delete", "schedule", "restore", "acm-delete", "acm-reimport")


def perform(world: Universe, name: str, deed: str) -> None:
    """Do one of DEEDS to the destinations of this certificate."""
    world.touched.add(name)
    world.disturb(name)
    if deed.startswith("acm"):
        for arn in [a for a, held in world.acm.held.items() if held.tags["evercert:certificate"] == name]:
            if deed == "acm-delete":
                del world.acm.held[arn]
            else:
                _reimport(world, arn)
        return
    secret = f"evercert/certificates/{name}"
    if secret not in world.secrets.secrets:
        return
    held = world.secrets.secrets[secret]
    match deed:
        case "value" | "version" if not held["deleted"]:
            value = f'{{"made": "by hand {len(world.hand_made)}"}}'
            world.hand_made.add(value)
            token = f"{'hand':-<40}{len(world.hand_made)}"
            world.secrets.put_secret_value(SecretId=secret, ClientRequestToken=token, SecretString=value)
            if deed == "version":  # AWS deletes versions without a stage
                for version in [v for v, stages in held["stages"].items() if "AWSCURRENT" not in stages]:
                    held["stages"].pop(version)
                    held["values"].pop(version)
        case "delete":
            del world.secrets.secrets[secret]
        case "schedule":
            held["deleted"] = "2026-01-15"
        case "restore":
            held["deleted"] = None


def _reimport(world: Universe, arn: str) -> None:
    """Return a foreign certificate for the same name, if the rules of ACM about keys and usages allow one."""
    held = world.acm.held[arn]
    before = x509.load_pem_x509_certificate(held.certificate.encode())
    key = PrivateKey.generate(algorithm_of(before.public_key()) or "EC_prime256v1")
    spec = Spec.model_validate(
        {
            "name": "hand",
            "issuer": "hand",
            "attributes": {"common-name": "www.example.com"},
            "destinations": [{"type": "acm"}],
        }
    )
    csr = key.sign_csr(spec.attributes)
    if not any(isinstance(e.value, x509.KeyUsage) for e in before.extensions):
        return  # there is no such certificate
    request = Request("hand", spec, csr, 1, "hand", world.clock())
    leaf = SelfSigned(SelfSigned.Settings()).issue_with(request, key).chain.leaf_pem
    held.certificate, held.private_key, held.by_hand = leaf, key.pem(), True
