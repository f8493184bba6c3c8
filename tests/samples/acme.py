"""Examples of RFCs for ACME and JOSE, and bodies as a CA sends them."""

from __future__ import annotations

from typing import Any

# RFC 7515, appendices A.2 and A.3; both have the same payload.
PAYLOAD = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
RSA_KEY = {
    "kty": "RSA",
    "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yR"
    "T-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS"
    "-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2et"
    "hFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
    "e": "AQAB",
}
RSA_EXAMPLE = {
    "protected": "eyJhbGciOiJSUzI1NiJ9",
    "payload": PAYLOAD,
    "signature": "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5"
    "jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0Gar"
    "ZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rq"
    "Vt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
}
EC_KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}
EC_EXAMPLE = {
    "protected": "eyJhbGciOiJFUzI1NiJ9",
    "payload": PAYLOAD,
    "signature": "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
}

# RFC 8037, appendix A.
ED25519_SECRET = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
ED25519_KEY = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
ED25519_THUMBPRINT = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
ED25519_EXAMPLE = {
    "protected": "eyJhbGciOiJFZERTQSJ9",
    "payload": "RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
    "signature": "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
}

# RFC 7638, section 3.1; `alg` and `kid` are no part of the thumbprint.
THUMBPRINT_KEY = {
    "kty": "RSA",
    "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjB"
    "ZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZg"
    "nYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw"
    "0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    "e": "AQAB",
    "alg": "RS256",
    "kid": "2011-04-29",
}
THUMBPRINT = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"

# RFC 9773, appendix A.
RENEWAL_CERTIFICATE = """-----BEGIN CERTIFICATE-----
MIIBQzCB66ADAgECAgUAh2VDITAKBggqhkjOPQQDAjAVMRMwEQYDVQQDEwpFeGFt
cGxlIENBMCIYDzAwMDEwMTAxMDAwMDAwWhgPMDAwMTAxMDEwMDAwMDBaMBYxFDAS
BgNVBAMTC2V4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEeBZu
7cbpAYNXZLbbh8rNIzuOoqOOtmxA1v7cRm//AwyMwWxyHz4zfwmBhcSrf47NUAFf
qzLQ2PPQxdTXREYEnKMjMCEwHwYDVR0jBBgwFoAUaYhba4dGQEHhs3uEe6CuLN4B
yNQwCgYIKoZIzj0EAwIDRwAwRAIge09+S5TZAlw5tgtiVvuERV6cT4mfutXIlwTb
+FYN/8oCIClDsqBklhB9KAelFiYt9+6FDj3z4KGVelYM5MdsO3pK
-----END CERTIFICATE-----
"""
RENEWAL_ID = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"

CA = "https://acme.example/"
URN = "urn:ietf:params:acme:error:"
TOKEN = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"  # RFC 8555, section 8.3


def directory() -> dict[str, Any]:
    """Return a directory with every member that evercert reads (RFC 8555 §7.1.1, RFC 9773 §4)."""
    names = ("newNonce", "newAccount", "newOrder", "revokeCert", "keyChange", "renewalInfo")
    return {
        **{name: f"{CA}{name}" for name in names},
        "meta": {
            "termsOfService": f"{CA}terms",
            "externalAccountRequired": True,
            "profiles": {"classic": "90 days", "shortlived": f"{CA}profiles#shortlived"},
        },
    }


def order() -> dict[str, Any]:
    """Return an order of a finished certificate (§7.1.3)."""
    return {
        "status": "valid",
        "expires": "2026-01-20T14:09:07.99Z",
        "identifiers": [{"type": "dns", "value": "www.example.org"}, {"type": "dns", "value": "example.org"}],
        "authorizations": [f"{CA}authz/1", f"{CA}authz/2"],
        "finalize": f"{CA}order/1/finalize",
        "certificate": f"{CA}cert/1",
    }


def challenge(kind: str = "http-01") -> dict[str, Any]:
    """Return a challenge (§8)."""
    return {"type": kind, "url": f"{CA}chall/{kind}", "status": "pending", "token": TOKEN}


def authorization() -> dict[str, Any]:
    """Return an authorization for a wildcard (§7.1.4), with a challenge of a type that evercert does not know."""
    unknown = {"type": "device-attest-01", "url": f"{CA}chall/3", "status": "pending", "nonce": "x"}
    return {
        "status": "pending",
        "expires": "2026-01-20T14:09:07Z",
        "identifier": {"type": "dns", "value": "example.org"},
        "challenges": [challenge(), challenge("dns-01"), unknown],
        "wildcard": True,
    }


def problem() -> dict[str, Any]:
    """Return the problem document of RFC 8555, section 6.7.1, with the other members that evercert reads."""
    return {
        "type": f"{URN}malformed",
        "detail": "Some of the identifiers requested were rejected",
        "status": 403,
        "instance": f"{CA}why",
        "algorithms": ["RS256", "ES256"],
        "subproblems": [
            {
                "type": f"{URN}malformed",
                "detail": 'Invalid underscore in DNS name "_example.org"',
                "identifier": {"type": "dns", "value": "_example.org"},
            },
            {
                "type": f"{URN}rejectedIdentifier",
                "detail": 'This CA will not issue for "example.net"',
                "identifier": {"type": "dns", "value": "example.net"},
            },
        ],
    }


def renewal_info() -> dict[str, Any]:
    """Return the answer of RFC 9773, section 4.2."""
    return {
        "suggestedWindow": {"start": "2026-01-02T04:00:00Z", "end": "2026-01-03T04:00:00Z"},
        "explanationURL": f"{CA}docs/ari",
    }
