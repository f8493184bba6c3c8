"""Login with a signed STS GetCallerIdentity request, which the server forwards to AWS to identify the caller."""

from __future__ import annotations

import json
import secrets
from base64 import b64encode
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from evercert.aws.clients import translated
from evercert.errors import Misconfigured
from evercert.issuers.infisical.logins.login import IdentitySettings, Proof, proof
from evercert.origins import Origin
from evercert.partitions import sts_host
from evercert.schema import text_of

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials

    from evercert.issuers.infisical.logins.login import LoginContext

REQUEST_BODY = "Action=GetCallerIdentity&Version=2011-06-15"
CONTENT_TYPE = "application/x-www-form-urlencoded; charset=utf-8"
SERVER_ID = "X-Evercert-Server-Id"


class AWSIAM:
    """Login `aws-iam` as the function's own role, without a secret to store or rotate."""

    class Settings(IdentitySettings):
        """`region`: the region of the STS endpoint; by default that of the environment."""

        region: Annotated[str, text_of(r"[a-z0-9-]{1,20}", "an AWS region, such as eu-central-1")] | None = None

    def __init__(self, settings: Settings, context: LoginContext) -> None:
        self._settings = settings
        self._context = context

    def proof(self, address: str) -> Proof:
        """Return a login request signed now for this server.

        AWS accepts the signature for a few minutes, and evercert's own authority accepts it only once.
        """
        region = self._settings.region or self._context.aws.region_name
        if not region:
            raise Misconfigured("login aws-iam: no AWS region is set; set `region` in auth, or AWS_REGION")
        headers = sign_request(self._credentials(), region, Origin.of(address))
        found = proof(
            "/v1/auth/aws-auth/login",
            self._settings,
            iamHttpRequestMethod="POST",
            iamRequestBody=b64encode(REQUEST_BODY.encode()).decode(),
            iamRequestHeaders=b64encode(json.dumps(headers).encode()).decode(),
        )
        return replace(found, once=True)

    def _credentials(self) -> ReadOnlyCredentials:
        """Return the credentials of the session, refreshed if necessary."""
        with translated("sign the login aws-iam"):
            found = self._context.aws.get_credentials()
            if found is None:
                raise Misconfigured("login aws-iam: no AWS credentials to sign with")
            return found.get_frozen_credentials()


def sign_request(credentials: ReadOnlyCredentials, region: str, server: Origin) -> dict[str, str]:
    """Return the headers of the request, with a signature over all headers that AWS reads.

    The server's id is signed too, so that a server cannot reuse the request at another one. A nonce keeps requests of
    two processes in the same second distinct. botocore takes the time from the system clock.
    """
    host = sts_host(region)
    headers = {"Content-Type": CONTENT_TYPE, SERVER_ID: str(server), "X-Evercert-Nonce": secrets.token_hex(16)}
    request = AWSRequest("POST", f"https://{host}/", data=REQUEST_BODY, headers=headers)
    SigV4Auth(credentials, "sts", region).add_auth(request)
    return {**dict(request.headers.items()), "Host": host, "Content-Length": str(len(REQUEST_BODY))}
