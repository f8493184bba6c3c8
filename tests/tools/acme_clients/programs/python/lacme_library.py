"""One operation of lacme."""

from __future__ import annotations

import asyncio
import ssl

import common
import httpx2
import lacme


class Answers:
    """Publishes answers to challenges."""

    def __init__(self, challenge: str) -> None:
        self._challenge = challenge

    async def provision(self, domain: str, _token: str, key_authorization: str) -> None:
        common.answer(self._challenge, domain.removeprefix("*."), key_authorization)

    async def deprovision(self, domain: str, token: str) -> None:
        pass


async def main() -> None:
    """Run the operation of the command line."""
    operation, arguments = common.arguments()
    challenge = arguments[0] if operation == "issue" else "http-01"
    trust = ssl.create_default_context(cafile=common.CA_BUNDLE)
    # The library's own HTTP client waits for five seconds, which the functions of a busy machine exceed.
    http_client = httpx2.AsyncClient(verify=trust, timeout=60)
    async with (
        http_client,
        lacme.Client(
            directory_url=common.DIRECTORY,
            account_key=common.account_key(),
            contact="mailto:ops@example.com",
            challenge_handler=Answers(challenge),
            eab_kid=common.KEY_ID,
            eab_hmac_key=common.HMAC_KEY,
            http_client=http_client,
            poll_interval=1,
        ) as client,
    ):
        await client.create_account(only_return_existing=operation != "register")
        if operation == "issue":
            found = await client.issue(arguments[1:], challenge_type=challenge)
            common.chain_file(arguments[1]).write_bytes(found.fullchain_pem)
        elif operation == "revoke":
            await client.revoke(common.content(arguments[0]), reason=common.SUPERSEDED)
        elif operation == "change-key":
            key = common.new_key()
            await client.rollover_key(key)
            common.store(key)
        elif operation == "deactivate":
            await client.deactivate_account()


asyncio.run(main())
