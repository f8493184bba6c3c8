"""One operation of `acme`, certbot's library."""

from __future__ import annotations

import datetime as dt

import common
import josepy
from acme import challenges, client, messages
from cryptography import x509
from cryptography.hazmat.primitives import serialization

EMAIL = "ops@example.com"


def connect() -> client.ClientV2:
    """Return a client that trusts the server's CA."""
    key = josepy.JWKEC(key=common.account_key())
    network = client.ClientNetwork(key, alg=josepy.ES256, verify_ssl=common.CA_BUNDLE, user_agent="evercert tests")
    return client.ClientV2(client.ClientV2.get_directory(common.DIRECTORY, network), net=network)


def register(acme: client.ClientV2) -> None:
    binding = messages.ExternalAccountBinding.from_data(
        acme.net.key.public_key(), common.KEY_ID, common.HMAC_KEY, acme.directory
    )
    acme.new_account(
        messages.NewRegistration.from_data(email=EMAIL, terms_of_service_agreed=True, external_account_binding=binding)
    )


def log_in(acme: client.ClientV2) -> messages.RegistrationResource:
    """Find the account of the key."""
    unknown = messages.RegistrationResource(body=messages.Registration(), uri="")
    return acme.query_registration(unknown)


def issue(acme: client.ClientV2, challenge: str, names: list[str]) -> None:
    """Order, answer, and store the chain; then ask when to renew it."""
    log_in(acme)
    csr = common.request(names).public_bytes(serialization.Encoding.PEM)
    order = acme.new_order(csr)
    wanted = challenges.HTTP01 if challenge == "http-01" else challenges.DNS01
    for authorization in order.authorizations:
        found = next(one for one in authorization.body.challenges if isinstance(one.chall, wanted))
        response, _ = found.response_and_validation(acme.net.key)
        common.answer(challenge, authorization.body.identifier.value, response.key_authorization)
        acme.answer_challenge(found, response)
    order = acme.poll_and_finalize(order, dt.datetime.now() + dt.timedelta(seconds=90))
    common.chain_file(names[0]).write_text(order.fullchain_pem)
    at, _ = acme.renewal_time(order.fullchain_pem.encode())
    assert at is not None


def main() -> None:
    """Run the operation of the command line."""
    operation, arguments = common.arguments()
    acme = connect()
    if operation == "register":
        register(acme)
    elif operation == "issue":
        issue(acme, arguments[0], arguments[1:])
    elif operation == "revoke":
        log_in(acme)
        acme.revoke(x509.load_pem_x509_certificate(common.content(arguments[0])), common.SUPERSEDED)
    elif operation == "deactivate":
        # The library cannot serialize an account with a binding.
        acme.deactivate_registration(log_in(acme).update(body=messages.Registration()))


main()
