"""The principal of a call, derived from the files that make it: in tests, all functions run in one process."""

from __future__ import annotations

from collections.abc import Sequence

# The nearest file with a rule decides: an adapter acts for the use case that calls it.
RULES = [
    ("functions/checker/", "checker"), ("functions/issuer/", "issuer"), ("functions/signer/", "signer"),
    ("functions/authority/", "authority"), ("functions/responder/", "responder"), ("solvers/", "issuer"),
    ("cli/", "operator"), ("operations/apply", "operator"), ("operations/renew", "operator"),
    ("aws/dynamodb/spec_store", "operator"), ("aws/dynamodb/record_index", "operator"),
    ("aws/dynamodb/issuer_store", "operator"),
    ("aws/credential_writer", "operator"), ("aws/authority/configuration_writer", "operator"),
    ("aws/authority/issuance_trail_reader", "operator"), ("aws/authority/inventory_index", "operator"),
    ("aws/authority/key_creation", "operator"), ("aws/authority/signing_ledger_reader", "operator"),
    ("scheduling/checker", "checker"), ("scheduling/sweeper", "checker"),
    ("issuance/", "issuer"), ("destinations/", "issuer"), ("operations/diagnosis", "issuer"), ("operations/accounts", "issuer"), ("issuers/", "issuer"),
    ("authority/signer/", "signer"), ("authority/registration/", "authority"), ("authority/logins/", "authority"),
    ("authority/infisical_api/", "authority"), ("aws/authority/private_key_seal", "authority"),
    ("functions/validator/", "validator"), ("authority/validation/", "validator"), ("authority/acme/", "authority"),
]  # fmt: skip
RENEWAL = (
    "functions/renewal/", "authority/registration/auto_renewal", "aws/authority/renewal_announcer",
    "authority/registration/approval_notices", "aws/authority/approval_announcer",
)  # fmt: skip
REPORT = ("functions/report/", "aws/dynamodb/report_reader", "aws/report_bucket")
ADMINISTRATION = ("functions/administration/", "authority/administration/")
# Adapters that a test calls directly; their other callers are above.
ADAPTERS = [
    ("aws/dynamodb/due_index", "checker"), ("aws/dynamodb/sweep", "checker"), ("aws/dynamodb/", "issuer"),
    ("aws/authority/signing_ledger", "signer"), ("aws/authority/kms_keys", "signer"), ("aws/authority/", "authority"),
    ("aws/validator_client", "issuer"), ("aws/sqs", "issuer"), ("aws/sns", "issuer"), ("aws/route53", "issuer"), ("aws/private_ca", "issuer"), ("aws/kms", "issuer"), ("aws/credential_reader", "issuer"),
]  # fmt: skip


def principal(files: Sequence[str], operation: str = "") -> str:
    """Return the principal, or "" for a call of a test itself."""
    # Of CA keys, only the ceremony calls it: the signer has the public keys of its CAs.
    if files and operation == "GetPublicKey" and "aws/kms_signer.py" not in files:
        return "operator"
    if operation == "GetItem" and "aws/dynamodb/http_answers.py" in files:  # the issuer only writes them
        return "responder"
    if operation == "UpdateItem" and "aws/dynamodb/consumers.py" in files:  # a host; test_consumer_policy.py judges it
        return ""
    if files and files[0] == "aws/authority/external_ceilings.py":  # the issuer function only reads them
        return "issuer" if operation == "BatchGetItem" else "operator"
    if any(file.startswith(ADMINISTRATION) for file in files):  # it shares adapters with operators and the front
        return "administration"
    if any(file.startswith(RENEWAL) for file in files):  # it shares use cases with the front
        return "renewal"
    if any(file.startswith(REPORT) for file in files):  # it reads records as operators do
        return "report"
    for rules in (RULES, ADAPTERS):
        for file in files:
            for start, who in rules:
                if file.startswith(start):
                    return who
    return ""
