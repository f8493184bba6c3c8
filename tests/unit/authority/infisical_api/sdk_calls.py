"""Make calls with infisicalsdk and print the answers as JSON; runs in the environment of the SDK."""

import json
import sys

from infisical_sdk import InfisicalSDKClient
from infisical_sdk.infisical_requests import APIError

CERTIFICATES = "/api/v1/cert-manager/certificates"


def log_in(client, given):
    if "clientId" in given:
        return client.auth.universal_auth.login(given["clientId"], given["clientSecret"])
    return client.auth.aws_auth.login(given["identityId"])


def main():
    given = json.load(sys.stdin)
    with InfisicalSDKClient(host=given["address"], cache_ttl=None) as client:
        try:
            login = log_in(client, given)
        except APIError as error:
            print(json.dumps({"refused": str(error)}))
            return
        issued = client.api.post(CERTIFICATES, model=dict, json=given["request"]).data
        found = client.api.get(f"{CERTIFICATES}/{issued['certificate']['certificateId']}", model=dict).data
        try:
            client.secrets.list_secrets(project_id="x", environment_slug="prod", secret_path="/")
            missing = None
        except APIError as error:
            missing = str(error)
        print(json.dumps({"login": login.to_dict(), "issued": issued, "found": found, "missing": missing}))


main()
