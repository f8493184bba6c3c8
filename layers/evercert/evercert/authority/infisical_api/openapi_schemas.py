"""What the API answers, as schemas: each has every field that its answer can have."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
ID: Schema = {"type": "string", "format": "uuid"}
MOMENT: Schema = {"type": "string", "format": "date-time"}
NUMBER: Schema = {"type": "integer"}
YES_OR_NO: Schema = {"type": "boolean"}
FREE: Schema = {"type": "object"}
BINARY: Schema = {"type": "string", "format": "binary"}
REQUEST_STATUS: Schema = {"type": "string", "enum": ["pending", "issued", "failed"]}
_SUBJECT = ("commonName", "organization", "organizationalUnit", "country", "state", "locality")


def fields(optional: tuple[str, ...] = (), /, **properties: Schema) -> Schema:
    """An object that has all of them, but for those that may be left out."""
    required = sorted(properties.keys() - set(optional))
    return {"type": "object", "properties": properties, "required": required}


def or_null(schema: Schema) -> Schema:
    """Or nothing, said as such."""
    return {"anyOf": [schema, {"type": "null"}]}


def named(name: str) -> Schema:
    """One of the document's own."""
    return {"$ref": f"#/components/schemas/{name}"}


def listed(schema: Schema) -> Schema:
    """Several."""
    return {"type": "array", "items": schema}


_METADATA = listed(fields(key=TEXT, value=TEXT))
_CONSTRAINTS = fields(isCA=YES_OR_NO, pathLength=or_null(NUMBER))
_SUBJECT_FIELDS = {**dict.fromkeys(_SUBJECT, or_null(TEXT)), "domainComponents": or_null(listed(TEXT))}
_PARTS = {
    "certificate": TEXT,
    "issuingCaCertificate": TEXT,
    "certificateChain": TEXT,
    "serialNumber": TEXT,
    "certificateId": TEXT,
}
_NAMES = ("profileName", "applicationName", "caName", "caType")
_CERTIFICATE = {
    "id": ID,
    "createdAt": MOMENT,
    "updatedAt": MOMENT,
    "status": {"type": "string", "enum": ["active", "expired", "revoked"]},
    "serialNumber": TEXT,
    "commonName": TEXT,
    "altNames": {**TEXT, "description": "With commas between them"},
    "notBefore": MOMENT,
    "notAfter": MOMENT,
    "caId": or_null(ID),
    "keyUsages": listed(TEXT),
    "extendedKeyUsages": listed(TEXT),
    "subject": fields(tuple(_SUBJECT_FIELDS), **dict.fromkeys(_SUBJECT, TEXT), domainComponents=listed(TEXT)),
    "fingerprints": fields(sha256=TEXT, sha1=TEXT),
    "basicConstraints": _CONSTRAINTS,
    "hasPrivateKey": YES_OR_NO,
    "metadata": _METADATA,
    "certificateRequestId": ID,
    "profileId": ID,
    "revokedAt": MOMENT,
    "revocationReason": TEXT,
    "latestRenewalCertificateId": ID,
    **dict.fromkeys(_NAMES, or_null(TEXT)),
}
_ROW = {
    "id": ID,
    "status": REQUEST_STATUS,
    "commonName": or_null(TEXT),
    "altNames": TEXT,
    "profileId": ID,
    "profileName": or_null(TEXT),
    "caId": or_null(ID),
    "certificateId": or_null(ID),
    "approvalRequestId": {"type": "null"},
    "errorMessage": or_null(TEXT),
    "pendingMessage": or_null(TEXT),
    "metadata": _METADATA,
    "createdAt": MOMENT,
    "updatedAt": MOMENT,
}
_PROFILE = {
    "id": ID,
    "slug": TEXT,
    "projectId": ID,
    "description": or_null(TEXT),
    "enrollmentType": {"const": "api"},
    "issuerType": {"type": "string", "enum": ["ca", "self-signed"]},
    "caId": or_null(ID),
    "apiConfig": fields(autoRenew=YES_OR_NO),
    "externalConfigs": {"type": "null"},
    "defaults": or_null(FREE),
}
ANSWERS: dict[str, Schema] = {
    "GivenToken": fields(accessToken=TEXT, expiresIn=NUMBER, accessTokenMaxTTL=NUMBER, tokenType={"const": "Bearer"}),
    "Message": fields(message=TEXT),
    "Project": fields(id=ID, slug=TEXT, name=TEXT, type=TEXT),
    "Profile": fields(**_PROFILE),
    "ProfileFound": fields(certificateProfile=named("Profile")),
    "Profiles": fields(certificateProfiles=listed(named("Profile")), totalCount=NUMBER),
    "ApplicationFound": fields(application=fields(id=ID, name=TEXT, projectId=ID)),
    "Attached": fields(profiles=listed(fields(applicationId=ID, profileId=ID, profileSlug=TEXT))),
    "Certificate": fields(("revokedAt", "revocationReason", "latestRenewalCertificateId", *_NAMES), **_CERTIFICATE),
    "CertificateFound": fields(certificate=named("Certificate")),
    "Certificates": fields(certificates=listed(named("Certificate")), totalCount=NUMBER),
    "Issued": fields(
        ("message",),
        certificate=or_null(fields(("privateKey",), **_PARTS, privateKey=TEXT)),
        certificateRequestId=ID,
        status=REQUEST_STATUS,
        message=TEXT,
    ),
    "Renewed": {
        **fields(**_PARTS, certificateRequestId=ID),
        "description": "All but the request's id is empty while the request waits: ask how it stands",
    },
    "Bundle": fields(certificate=TEXT, certificateChain=or_null(TEXT), privateKey=or_null(TEXT), serialNumber=TEXT),
    "Request": fields(
        status=REQUEST_STATUS,
        certificate=or_null(TEXT),
        certificateId=or_null(ID),
        privateKey=or_null(TEXT),
        serialNumber=or_null(TEXT),
        errorMessage=or_null(TEXT),
        pendingMessage=or_null(TEXT),
        **_SUBJECT_FIELDS,
        basicConstraints={"type": "null"},
        metadata=_METADATA,
        customExtensions={"type": "null"},
        createdAt=MOMENT,
        updatedAt=MOMENT,
    ),
    "Requests": fields(certificateRequests=listed(fields(**_ROW)), totalCount=NUMBER),
    "Cancelled": fields(status=REQUEST_STATUS, cancelled=YES_OR_NO, errorMessage=or_null(TEXT)),
    "Revoked": fields(message=TEXT, serialNumber=TEXT, revokedAt=MOMENT, certificateId=ID, crlPublished=YES_OR_NO),
    "Error": fields(
        ("details",),
        reqId=TEXT,
        statusCode=NUMBER,
        message={
            "anyOf": [TEXT, listed(fields(code=TEXT, path=listed({"type": ["string", "integer"]}), message=TEXT))]
        },
        error=TEXT,
        details=listed(fields(action=TEXT, subject=TEXT, inverted=YES_OR_NO, conditions=FREE)),
    ),
}
