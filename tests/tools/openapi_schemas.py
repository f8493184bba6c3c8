"""OpenAPI schemas of the responses; each lists every possible field."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
ID: Schema = {"type": "string", "format": "uuid"}
TIMESTAMP: Schema = {"type": "string", "format": "date-time"}
NUMBER: Schema = {"type": "integer"}
BOOLEAN: Schema = {"type": "boolean"}
FREE: Schema = {"type": "object"}
BINARY: Schema = {"type": "string", "format": "binary"}
REQUEST_STATUS: Schema = {
    "type": "string",
    "enum": ["pending_approval", "pending", "pending_validation", "issued", "failed", "rejected"],
}
_SUBJECT = ("commonName", "organization", "organizationalUnit", "country", "state", "locality")


def fields(optional: tuple[str, ...] = (), /, **properties: Schema) -> Schema:
    """Return an object schema; all properties are required except `optional`."""
    required = sorted(properties.keys() - set(optional))
    return {"type": "object", "properties": properties, "required": required}


def or_null(schema: Schema) -> Schema:
    """Return a schema that also allows null."""
    return {"anyOf": [schema, {"type": "null"}]}


def reference(name: str) -> Schema:
    """Return a reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def array(schema: Schema) -> Schema:
    """Return an array schema."""
    return {"type": "array", "items": schema}


_METADATA = array(fields(key=TEXT, value=TEXT))
_CONSTRAINTS = fields(isCA=BOOLEAN, pathLength=or_null(NUMBER))
_SUBJECT_FIELDS = {**dict.fromkeys(_SUBJECT, or_null(TEXT)), "domainComponents": or_null(array(TEXT))}
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
    "createdAt": TIMESTAMP,
    "updatedAt": TIMESTAMP,
    "status": {"type": "string", "enum": ["active", "expired", "revoked"]},
    "serialNumber": TEXT,
    "commonName": TEXT,
    "altNames": {**TEXT, "description": "Separated by commas"},
    "notBefore": TIMESTAMP,
    "notAfter": TIMESTAMP,
    "caId": or_null(ID),
    "keyUsages": array(TEXT),
    "extendedKeyUsages": array(TEXT),
    "subject": fields(tuple(_SUBJECT_FIELDS), **dict.fromkeys(_SUBJECT, TEXT), domainComponents=array(TEXT)),
    "fingerprints": fields(sha256=TEXT, sha1=TEXT),
    "basicConstraints": _CONSTRAINTS,
    "projectId": ID,
    "applicationId": or_null(ID),
    "keyAlgorithm": or_null(TEXT),
    "signatureAlgorithm": or_null(TEXT),
    "subjectOrganization": or_null(TEXT),
    "subjectOrganizationalUnit": or_null(TEXT),
    "subjectCountry": or_null(TEXT),
    "subjectState": or_null(TEXT),
    "subjectLocality": or_null(TEXT),
    "friendlyName": TEXT,
    "renewedByCertificateId": or_null(ID),
    "hasPrivateKey": BOOLEAN,
    "renewBeforeDays": or_null(NUMBER),
    "renewalError": or_null(TEXT),
    "metadata": _METADATA,
    "certificateRequestId": or_null(ID),
    "profileId": ID,
    "source": {"type": "string", "enum": ["issued", "imported"]},
    "revokedAt": TIMESTAMP,
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
    "createdAt": TIMESTAMP,
    "updatedAt": TIMESTAMP,
}
_PROFILE = {
    "id": ID,
    "slug": TEXT,
    "projectId": ID,
    "description": or_null(TEXT),
    "enrollmentType": {"type": "string", "enum": ["api", "acme"]},
    "issuerType": {"type": "string", "enum": ["ca", "self-signed", "external"]},
    "issuer": TEXT,
    "caId": or_null(ID),
    "caIds": array(ID),
    "certificatePolicyId": ID,
    "certificateTemplateId": ID,
    "apiConfigId": or_null(ID),
    "apiConfig": or_null(reference("ApiConfig")),
    "acmeConfigId": or_null(ID),
    "acmeConfig": or_null(reference("AcmeConfig")),
    "estConfigId": {"type": "null"},
    "externalConfigs": {"type": "null"},
    "defaults": or_null(FREE),
    "approvalConfig": fields(requiredApprovals=NUMBER, deadlineHours=NUMBER, renewals=BOOLEAN),
}
_CA = {
    "type": {"type": "string", "enum": ["root", "intermediate"]},
    "friendlyName": TEXT,
    "keyAlgorithm": TEXT,
    "parentCaId": or_null(ID),
}
_CA_CERTIFIED = {
    **dict.fromkeys(("commonName", "organization", "ou", "country", "province", "locality", "dn"), TEXT),
    "notBefore": TIMESTAMP,
    "notAfter": TIMESTAMP,
    "maxPathLength": NUMBER,
    "serialNumber": TEXT,
    "activeCaCertId": TEXT,
}
_CA_CERTIFICATE = {"certificate": TEXT, "certificateChain": TEXT, "serialNumber": TEXT, "certId": TEXT}
ANSWERS: dict[str, Schema] = {
    "GivenToken": fields(accessToken=TEXT, expiresIn=NUMBER, accessTokenMaxTTL=NUMBER, tokenType={"const": "Bearer"}),
    "Status": fields(
        date=TEXT,
        message={"const": "Ok"},
        emailConfigured=BOOLEAN,
        inviteOnlySignup=BOOLEAN,
        redisConfigured=BOOLEAN,
        secretScanningConfigured=BOOLEAN,
    ),
    "Message": fields(message=TEXT),
    "Project": fields(id=ID, slug=TEXT, name=TEXT, type=TEXT),
    "Profile": fields(("approvalConfig", "issuer"), **_PROFILE),
    "ProfileFound": fields(certificateProfile=reference("Profile")),
    "Profiles": fields(certificateProfiles=array(reference("Profile")), totalCount=NUMBER),
    "ApplicationFound": fields(application=fields(id=ID, name=TEXT, projectId=ID)),
    "EabCredential": fields(profileId=ID, directoryUrl=TEXT, eabKid=TEXT, eabSecret=TEXT, expiresAt=TIMESTAMP),
    "Attached": fields(profiles=array(fields(applicationId=ID, profileId=ID, profileSlug=TEXT))),
    "Certificate": fields(("revokedAt", "revocationReason", "latestRenewalCertificateId", *_NAMES), **_CERTIFICATE),
    "CertificateFound": fields(certificate=reference("Certificate")),
    "CertificatesFound": fields(
        certificates=array(
            fields(
                (*_NAMES, "revokedAt", "revocationReason", "latestRenewalCertificateId"),
                **_CERTIFICATE,
                requestedBy=TEXT,
            )
        ),
        nextCursor={**or_null(TEXT), "description": "For the next page, which may be the last one and empty"},
    ),
    "Certificates": fields(certificates=array(reference("Certificate")), totalCount=NUMBER),
    "Issued": fields(
        ("message",),
        certificate=or_null(fields(("privateKey",), **_PARTS, privateKey=TEXT)),
        certificateRequestId=ID,
        status=REQUEST_STATUS,
        message=TEXT,
    ),
    "Renewed": {
        **fields(("message",), **_PARTS, certificateRequestId=ID, message=TEXT),
        "description": "While the request is pending, only its id is set: poll the request",
    },
    "Bundle": fields(certificate=TEXT, certificateChain=or_null(TEXT), privateKey=or_null(TEXT), serialNumber=TEXT),
    "FlatCertificate": fields(("privateKey",), **_PARTS, privateKey=TEXT, certificateRequestId=ID),
    "Order": fields(
        orderId=ID,
        status={"type": "string", "enum": ["valid", "pending"]},
        subjectAlternativeNames=array(fields(type=TEXT, value=TEXT, status=TEXT)),
        authorizations=array(FREE),
        finalize=TEXT,
        certificate=or_null(TEXT),
    ),
    "Imported": fields(
        ("certificateChain",), certificateId=ID, certificate=TEXT, certificateChain=TEXT, serialNumber=TEXT
    ),
    "Metadata": fields(metadata=_METADATA),
    "RenewalConfigured": fields(("renewBeforeDays",), message=TEXT, renewBeforeDays=NUMBER),
    "LatestBundle": fields(
        certificateId=ID,
        certificate=TEXT,
        certificateChain=or_null(TEXT),
        privateKey=or_null(TEXT),
        serialNumber=TEXT,
    ),
    "Cas": fields(certificateAuthorities=reference("InternalCas")),
    "InternalCas": array(reference("Ca")),
    "Ca": fields(
        id=ID,
        name=TEXT,
        type={"const": "internal"},
        status={"type": "string", "enum": ["active", "disabled", "pending-certificate"]},
        projectId=or_null(TEXT),
        enableDirectIssuance=BOOLEAN,
        configuration=fields(tuple(_CA_CERTIFIED), **_CA, **_CA_CERTIFIED),
    ),
    "CaCertificate": fields(**_CA_CERTIFICATE),
    "CaCertificates": array(fields(**_CA_CERTIFICATE, version=NUMBER)),
    "CaCrls": array(fields(id=ID, crl=TEXT)),
    "Request": fields(
        ("message",),
        message=TEXT,
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
        createdAt=TIMESTAMP,
        updatedAt=TIMESTAMP,
    ),
    "Requests": fields(certificateRequests=array(fields(**_ROW)), totalCount=NUMBER),
    "Decided": fields(certificateRequestId=ID, status=REQUEST_STATUS, message=or_null(TEXT)),
    "Triggered": fields(status=REQUEST_STATUS),
    "Cancelled": fields(status=REQUEST_STATUS, cancelled=BOOLEAN, errorMessage=or_null(TEXT)),
    "Revoked": fields(message=TEXT, serialNumber=TEXT, revokedAt=TIMESTAMP, certificateId=ID, crlPublished=BOOLEAN),
    "Error": fields(
        ("details",),
        reqId=TEXT,
        statusCode=NUMBER,
        message={"anyOf": [TEXT, array(fields(code=TEXT, path=array({"type": ["string", "integer"]}), message=TEXT))]},
        error=TEXT,
        details=array(fields(action=TEXT, subject=TEXT, inverted=BOOLEAN, conditions=FREE)),
    ),
}
