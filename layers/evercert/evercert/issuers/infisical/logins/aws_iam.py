"""A signed question to AWS, which the server asks in our name to learn who we are."""

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
from evercert.schema import text_of

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials

    from evercert.issuers.infisical.logins.login import LoginContext

QUESTION = "Action=GetCallerIdentity&Version=2011-06-15"
CONTENT_TYPE = "application/x-www-form-urlencoded; charset=utf-8"
SERVER_ID = "X-Evercert-Server-Id"


class AWSIAM:
    """The identity is the function's own role: there is no secret to keep, and nothing to rotate."""

    class Settings(IdentitySettings):
        """`region`: whose STS is asked; without one, that of the environment."""

        region: Annotated[str, text_of(r"[a-z0-9-]{1,20}", "an AWS region, such as eu-central-1")] | None = None

    def __init__(self, settings: Settings, outside: LoginContext) -> None:
        self._settings = settings
        self._outside = outside

    def proof(self, address: str) -> Proof:
        """A signature of now, for that server: AWS takes it for a few minutes only, and an authority of ours once."""
        region = self._settings.region or self._outside.aws.region_name
        if not region:
            raise Misconfigured("login aws-iam: no AWS region is set; give `region` in auth, or set AWS_REGION")
        headers = signed(self._credentials(), region, Origin.of(address))
        found = proof(
            "/v1/auth/aws-auth/login",
            self._settings,
            iamHttpRequestMethod="POST",
            iamRequestBody=b64encode(QUESTION.encode()).decode(),
            iamRequestHeaders=b64encode(json.dumps(headers).encode()).decode(),
        )
        return replace(found, once=True)

    def _credentials(self) -> ReadOnlyCredentials:
        """Of whatever source botocore knows, refreshed if they are old."""
        with translated("sign the login aws-iam"):
            found = self._outside.aws.get_credentials()
            if found is None:
                raise Misconfigured("login aws-iam: there are no AWS credentials to sign with")
            return found.get_frozen_credentials()


def signed(credentials: ReadOnlyCredentials, region: str, server: Origin) -> dict[str, str]:
    """The headers of the question; those that AWS reads are signed, so that nobody can turn it into another one.

    So is whom it is shown to, so that whoever is shown it cannot show it to another server, and a nonce: two processes
    with the same credentials may ask in the same second. The time is the system's, as for all that botocore signs.
    """
    host = f"sts.{region}.amazonaws.com"
    headers = {"Content-Type": CONTENT_TYPE, SERVER_ID: str(server), "X-Evercert-Nonce": secrets.token_hex(16)}
    request = AWSRequest("POST", f"https://{host}/", data=QUESTION, headers=headers)
    SigV4Auth(credentials, "sts", region).add_auth(request)
    return {**dict(request.headers.items()), "Host": host, "Content-Length": str(len(QUESTION))}
