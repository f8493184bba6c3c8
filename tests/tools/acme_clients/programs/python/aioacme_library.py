"""One operation of aioacme."""

from __future__ import annotations

import asyncio
import ssl

import aioacme
import common
from cryptography import x509

SECONDS = 60
VALID, FAILED = "valid", {"invalid", "deactivated", "expired", "revoked"}


async def issue(client: aioacme.Client, challenge: str, names: list[str]) -> None:
    """Order, answer, and store the chain. The library has no function for key authorizations."""
    order = await client.new_order([aioacme.Identifier(name) for name in names])
    for uri in order.authorizations:
        found = await client.get_authorization(uri)
        one = next(one for one in found.challenges if one.type.value == challenge)
        name = found.identifier.value
        if challenge == "http-01":
            common.answer(challenge, name, f"{one.token}.{client._account_key_jwk_thumbprint}")
        else:
            common.record(name, client.get_dns_challenge_validation(one.token))
        await client.answer_challenge(one.url)
    await reach(client, order.uri, "ready")
    await client.finalize_order(order.finalize, common.request(names))
    done = await reach(client, order.uri, VALID)
    common.chain_file(names[0]).write_bytes(await client.get_certificate(done.certificate))


async def reach(client: aioacme.Client, uri: str, status: str) -> aioacme.Order:
    """Poll the order until it has this status."""
    async with asyncio.timeout(SECONDS):
        while (order := await client.get_order(uri)).status.value != status:
            assert order.status.value not in FAILED, order
            await asyncio.sleep(0.5)
        return order


async def main() -> None:
    """Run the operation of the command line."""
    operation, arguments = common.arguments()
    trust = ssl.create_default_context(cafile=common.CA_BUNDLE)
    binding = aioacme.ExternalAccountBinding(common.KEY_ID, common.mac_key())
    async with aioacme.Client(
        account_key=common.account_key(),
        directory_url=common.DIRECTORY,
        external_account_binding=binding if operation == "register" else None,
        ssl=trust,
    ) as client:
        await client.get_account()
        if operation == "issue":
            await issue(client, arguments[0], arguments[1:])
        elif operation == "revoke":
            certificate = x509.load_pem_x509_certificate(common.content(arguments[0]))
            await client.revoke_certificate(certificate, reason=aioacme.RevocationReason(common.SUPERSEDED))
        elif operation == "change-key":
            key = common.new_key()
            await client.change_key(key)
            common.store(key)
        elif operation == "deactivate":
            await client.update_account(status=aioacme.AccountStatus.deactivated)


asyncio.run(main())
