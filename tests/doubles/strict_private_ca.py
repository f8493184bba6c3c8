"""AWS Private CA in memory, with the rules of AWS; each rule with its source.

Sources: the service model that botocore ships ("model"; its documentation of a field too) and the user guide of AWS
Private CA ("guide").
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import botocore.session
from botocore.validate import ParamValidator
from cryptography import x509

from tests.doubles.private_ca_authority import Authority, Certificate, read_csr, sign
from tests.doubles.strict_aws import ACCOUNT, REGION, refuse

WINDOW = timedelta(minutes=5)  # model: IdempotencyToken
SHORT_LIVED = timedelta(days=7)  # model: UsageMode
CA_ARN = re.compile(r"arn:aws[a-z-]*:acm-pca:[a-z0-9-]+:[0-9]{12}:certificate-authority/[0-9a-f-]{36}")
TOKEN = re.compile("[\t\n\r\x20-\xff]{1,36}")  # model: IdempotencyToken
TEMPLATE_ARN = re.compile(r"arn:aws[a-z-]*:acm-pca:::template/(\w+)/V1")
OPERATIONS = ("DescribeCertificateAuthority", "GetCertificate", "IssueCertificate", "RevokeCertificate")
READABLE = (
    "ACTIVE",
    "DISABLED",
    "EXPIRED",
)  # guide: a disabled CA issues nothing, but its certificates remain readable


class StrictPrivateCA:
    """A client of AWS Private CA. GetCertificate answers that the request is in progress `polls` times."""

    def __init__(self, clock: Callable[[], datetime], polls: int = 1, quota: int = 1_000_000) -> None:
        self.authorities: dict[str, Authority] = {}
        self.certificates: dict[str, Certificate] = {}
        self.refusals: dict[str, list[str]] = {}  # operation to the codes of its next refusals
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.polls, self.quota = polls, quota
        self.drops_names = False  # an error of the CA: certificates without the names of their CSRs
        self._clock = clock
        self._tokens: dict[tuple[str, str], tuple[datetime, str]] = {}
        self._reads: Counter[str] = Counter()
        self._model = botocore.session.get_session().get_service_model("acm-pca")
        self._kinds = self._model.shape_for("ValidityPeriodType")

    def create_authority(self, *, region: str = REGION, account: str = ACCOUNT, **settings: Any) -> str:
        """Create a CA with an installed certificate, as an operator does; return its ARN."""
        arn = f"arn:aws:acm-pca:{region}:{account}:certificate-authority/{len(self.authorities):08x}-0000-4000-8000-000000000000"
        self.authorities[arn] = Authority(arn, self._clock(), **settings)
        return arn

    def forget(self) -> None:
        """Forget all certificates and requests."""
        for found in (self.certificates, self.refusals, self.asked, self._tokens, self._reads):
            found.clear()  # type: ignore[attr-defined]

    def calls(self, operation: str) -> int:
        """Return how often an operation was called."""
        return sum(name == operation for name, _ in self.asked)

    def describe_certificate_authority(self, **arguments: Any) -> dict[str, Any]:
        return {"CertificateAuthority": self._enter("DescribeCertificateAuthority", arguments).description}

    def issue_certificate(self, **arguments: Any) -> dict[str, str]:
        operation, now = "IssueCertificate", self._clock()
        authority = self._enter(operation, arguments)
        token = arguments.get("IdempotencyToken")
        if token is not None and not TOKEN.fullmatch(token):
            raise refuse("ValidationException", operation, "idempotencyToken")
        if not 1 <= len(arguments["Csr"]) <= 32_768:  # model: CsrBlob
            raise refuse("ValidationException", operation, "csr")
        if authority.status != "ACTIVE":
            raise refuse("InvalidStateException", operation, "The certificate authority is not in the ACTIVE state")
        if token is not None:  # model: "will issue only one"
            at, arn = self._tokens.get((authority.arn, token), (now, ""))
            if arn and now < at + WINDOW:
                return {"CertificateArn": arn}
        template = TEMPLATE_ARN.fullmatch(
            arguments.get("TemplateArn", "arn:aws:acm-pca:::template/EndEntityCertificate/V1")
        )
        if template is None or not authority.has_template(template[1]):
            raise refuse("InvalidArgsException", operation, "The template ARN is not valid")
        if not authority.signs_with(arguments["SigningAlgorithm"]):  # model: SigningAlgorithm
            raise refuse("InvalidArgsException", operation, "The signing algorithm does not match the key of the CA")
        begin, end = self._validity(authority, arguments, now)
        if (csr := read_csr(arguments["Csr"])) is None:
            raise refuse("MalformedCSRException", operation, "The CSR is not valid")
        if sum(one.authority == authority.arn for one in self.certificates.values()) >= self.quota:
            raise refuse("LimitExceededException", operation, "Certificates issued by the CA")
        algorithm = arguments["SigningAlgorithm"]
        leaf = sign(authority, csr, template[1], algorithm, begin, end, named=not self.drops_names)
        arn = f"{authority.arn}/certificate/{leaf.serial_number:032x}"
        self.certificates[arn] = Certificate(authority.arn, leaf, now)
        if token is not None:
            self._tokens[authority.arn, token] = now, arn
        return {"CertificateArn": arn}

    def get_certificate(self, **arguments: Any) -> dict[str, str]:
        operation = "GetCertificate"
        authority = self._enter(operation, arguments)
        if authority.status not in READABLE:
            raise refuse("InvalidStateException", operation, "The state of the CA does not allow it")
        arn = arguments["CertificateArn"]
        if not re.fullmatch(rf"{CA_ARN.pattern}/certificate/\w+", arn):
            raise refuse("InvalidArnException", operation, "The certificate ARN is not valid")
        if arn not in self.certificates or not arn.startswith(f"{authority.arn}/"):
            raise refuse("ResourceNotFoundException", operation, f"Could not find {arn}")
        self._reads[arn] += 1
        if self._reads[arn] <= self.polls:
            raise refuse("RequestInProgressException", operation, "The request is in progress")
        return {"Certificate": self.certificates[arn].pem, "CertificateChain": authority.chain_pem}

    def revoke_certificate(self, **arguments: Any) -> dict[str, Any]:
        operation = "RevokeCertificate"
        authority = self._enter(operation, arguments)
        if authority.status not in READABLE:
            raise refuse("InvalidStateException", operation, "The state of the CA does not allow it")
        serial = arguments["CertificateSerial"]
        if not re.fullmatch(r"[0-9A-Fa-f]{2}(:?[0-9A-Fa-f]{2})*", serial):  # model: "in hexadecimal format"
            raise refuse("InvalidRequestException", operation, "The serial number is not valid")
        number = int(serial.replace(":", ""), 16)
        found = [
            one
            for one in self.certificates.values()
            if (one.authority, one.leaf.serial_number) == (authority.arn, number)
        ]
        if not found:
            raise refuse("ResourceNotFoundException", operation, f"Could not find certificate {serial}")
        if found[0].revoked is not None:  # model: RequestAlreadyProcessedException
            raise refuse("RequestAlreadyProcessedException", operation, "The certificate is revoked")
        found[0].revoked = arguments["RevocationReason"]
        return {}

    @property
    def issued(self) -> list[x509.Certificate]:
        """The issued certificates, the oldest first."""
        return [one.leaf for one in self.certificates.values()]

    @property
    def revoked(self) -> list[x509.Certificate]:
        """The revoked certificates."""
        return [one.leaf for one in self.certificates.values() if one.revoked is not None]

    def _enter(self, operation: str, arguments: dict[str, Any]) -> Authority:
        """Check the parameters against the model, refuse as scripted, and return the CA."""
        self.asked.append((operation, arguments))
        if codes := self.refusals.get(operation):
            raise refuse(codes.pop(0), operation, "Refused as scripted")
        shape = self._model.operation_model(operation).input_shape
        report = ParamValidator().validate(arguments, shape)
        if report.has_errors():
            raise refuse("ValidationException", operation, report.generate_report())
        kinds = {one["Type"] for one in arguments.values() if isinstance(one, dict)}
        if not kinds <= {*self._kinds.enum}:
            raise refuse("ValidationException", operation, "Type")
        for name, value in arguments.items():
            known = getattr(shape.members[name], "enum", [])
            if (known and value not in known) or (name.endswith("Arn") and not 5 <= len(value) <= 200):
                raise refuse("ValidationException", operation, name)
        arn = arguments["CertificateAuthorityArn"]
        if not CA_ARN.fullmatch(arn):
            raise refuse("InvalidArnException", operation, f"{arn} is not the ARN of a CA")
        if arn not in self.authorities:
            raise refuse("ResourceNotFoundException", operation, f"Could not find CA {arn}")
        return self.authorities[arn]

    def _validity(self, authority: Authority, arguments: Any, now: datetime) -> tuple[datetime, datetime]:
        """Check the validity (model: Validity, ValidityNotBefore) and return its begin and end."""
        begin = now - timedelta(hours=1)  # model: ValidityNotBefore
        if (given := arguments.get("ValidityNotBefore")) is not None:
            if given["Type"] != "ABSOLUTE":
                raise refuse("InvalidArgsException", "IssueCertificate", "ValidityNotBefore must be ABSOLUTE")
            begin = _absolute(given["Value"], now)
        kind, value = arguments["Validity"]["Type"], arguments["Validity"]["Value"]
        if kind not in ("ABSOLUTE", "DAYS"):
            raise refuse("InvalidArgsException", "IssueCertificate", f"this double has no {kind}")
        end = _absolute(value, now) if kind == "ABSOLUTE" else now + timedelta(days=value)
        if end < now + timedelta(seconds=1) or end <= begin:
            raise refuse("InvalidArgsException", "IssueCertificate", "The certificate would have expired")
        if end > authority.expires:  # model: "must not exceed the limit set on its parents"
            raise refuse("ValidationException", "IssueCertificate", "The validity exceeds that of the CA")
        if authority.usage_mode == "SHORT_LIVED_CERTIFICATE" and end - max(begin, now) > SHORT_LIVED:
            raise refuse("ValidationException", "IssueCertificate", "The validity exceeds 7 days")
        return begin, end


def _absolute(seconds: int, now: datetime) -> datetime:
    return datetime.fromtimestamp(seconds, now.tzinfo)
