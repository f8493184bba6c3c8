"""Destination ACM: a certificate is imported once, and reimported under the same ARN at every renewal.

See the ACM user guide, "Importing certificates" and "Reimporting a certificate".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

from botocore.exceptions import ClientError
from cryptography import x509
from pydantic import model_validator

from evercert.aws.clients import code, translated
from evercert.aws.tags import STACK_TAG
from evercert.contracts.destination import Delivered, Drift
from evercert.contracts.record import Delivery
from evercert.destinations import acm_rules as rules
from evercert.destinations.aws_account import InAccount, require_owned, tags_of
from evercert.documents.spec import Spec, text_of
from evercert.errors import Busy, Gone, Misconfigured, QuotaExceeded, Rejected, Unavailable
from evercert.pki.certificate import Bundle, Chain

if TYPE_CHECKING:
    from types_boto3_acm import ACMClient

    from evercert.destinations.context import DestinationContext

MAX_PAGES, PAGE_SIZE = 5, 1_000
CLOCK_SKEW = timedelta(minutes=5)


class ACM:
    """Imports into ACM. A repeated first import would create another certificate; the intent and `find` prevent it."""

    class Settings(InAccount):
        """`arn`: an adopted certificate. `name`: its `Name` tag; another name causes an import under a new ARN."""

        arn: (
            Annotated[
                str,
                text_of(
                    r"arn:aws[a-z-]*:acm:[a-z0-9-]+:[0-9]{12}:certificate/[A-Za-z0-9-]{1,64}",
                    "must be the ARN of a certificate in ACM",
                ),
            ]
            | None
        ) = None
        name: Annotated[str, text_of(r"[A-Za-z0-9 ._:/=+@-]{1,128}", "a name has 1 to 128 letters")] | None = None

        @model_validator(mode="after")
        def _names_one_place(self) -> ACM.Settings:
            if self.arn is not None and self.name is not None:
                raise ValueError("`arn` and `name` conflict: remove one of them")
            if self.arn is not None and self.region not in {None, self.arn.split(":")[3]}:
                raise ValueError(f"`region` conflicts with `arn`, in {self.arn.split(':')[3]}: remove `region`")
            return self

        def check(self, spec: Spec) -> None:
            """Raise Rejected if ACM could never import such a certificate."""
            rules.require_importable(spec)

        @property
        def place(self) -> str:
            """Return the place that two certificates must not share."""
            return f"acm {self.arn or self.name or 'import'}{self.elsewhere}"

        @property
        def own(self) -> bool:
            """Return whether each certificate gets its own ARN: true unless the settings name one."""
            return self.arn is None

    def __init__(self, settings: Settings, certificate: str, context: DestinationContext) -> None:
        region = settings.arn.split(":")[3] if settings.arn and settings.region is None else settings.region
        self._arn = settings.arn
        clients = context.clients_of(settings.role, region)
        self._client: ACMClient = clients.acm
        self._once: ACMClient = clients.acm_once
        self.service = f"acm {context.place(settings.role, region)}"
        self.quota = context.import_quota
        self.creates = settings.arn is None
        self._owner, self._certificate = context.owner, certificate
        self._tags = tags_of(context.owner, certificate)
        self._more = {} if settings.name is None else {"Name": settings.name}
        self._seen: tuple[str, x509.Certificate] | None = None  # ARN and leaf

    @staticmethod
    def check(spec: Spec) -> None:
        """Raise Rejected if ACM could never import such a certificate."""
        rules.require_importable(spec)

    def preflight(self, spec: Spec, here: Delivery) -> None:
        """Raise Rejected if ACM would refuse to replace the current certificate, which may be an adopted one."""
        arn = self._arn or here.location
        if arn and (held := self._held(arn)) is not None:
            self._seen = arn, held
            rules.require_replaceable(held, spec)

    def deliver(self, bundle: Bundle, here: Delivery) -> Delivered:
        """Import the bundle; do nothing if ACM already holds this leaf, because imports count against a quota."""
        if bundle.private_key is None:
            raise Rejected("ACM requires the private key, which a certificate from a csr does not have")
        rules.require_family(bundle.chain)
        arn = self._arn or here.location or None
        if arn is not None:
            # The preflight of this run has just seen it, and under its claim no other run imports.
            seen, self._seen = self._seen, None
            held = seen[1] if seen is not None and seen[0] == arn else self._held(arn)
            if held is None:
                raise self._gone(arn)
            if held == bundle.chain.leaf:
                return Delivered(arn, bundle.chain.serial_number)
            rules.require_allowed(held, bundle.chain.leaf)
            if self._arn is not None:
                self._require_ours(arn)
        return Delivered(self._import(bundle, arn), bundle.chain.serial_number)

    def examine(self, here: Delivery) -> Drift | None:
        """Compare the serial number; another client's import can only be replaced, not undone."""
        held = self._held(here.location)
        if held is None:
            return Drift(f"ACM certificate {here.location} was deleted", gone=self._arn is None)
        found = Chain((held,)).serial_number
        return None if found == here.version else Drift(f"ACM certificate {here.location} has serial number {found}")

    def inspect(self, here: Delivery) -> None:
        """Raise an error if the certificate is missing or not this stack's; without an ARN, check that ACM answers."""
        arn = self._arn or here.location
        if not arn:
            next(self._imported(since=None), None)
        elif self._held(arn) is None:
            raise self._gone(arn)
        else:
            self._require_ours(arn)

    def find(self, since: datetime) -> str | None:
        """Return the newest import with this certificate's tags that is not older than `since`, or None."""
        for arn in self._imported(since - CLOCK_SKEW):
            found = self._tags_of(arn)
            if self._is_own(found) and found.get("Name") == self._more.get("Name"):
                return arn
        return None

    def _is_own(self, tags: Mapping[str, str]) -> bool:
        """Return whether these are this certificate's tags; the previous release may have written them."""
        others = {key: value for key, value in self._tags.items() if key != STACK_TAG}
        return others.items() <= tags.items() and self._owner.compare(tags.get(STACK_TAG)) in {"ours", "old-tag"}

    def _held(self, arn: str) -> x509.Certificate | None:
        """Return the imported leaf, or None if the certificate was deleted."""
        with translated(f"read ACM certificate {arn}"):
            try:
                pem = self._client.get_certificate(CertificateArn=arn)["Certificate"]
            except ClientError as error:
                if code(error) == "ResourceNotFoundException":
                    return None
                raise
        try:
            return x509.load_pem_x509_certificate(pem.encode())
        except ValueError as error:
            raise Unavailable(
                f"cannot read ACM certificate {arn}: the answer is not one of AWS; check the network and the endpoint"
            ) from error

    def _gone(self, arn: str) -> Gone | Misconfigured:
        if self._arn is None:
            return Gone(f"ACM certificate {arn} was deleted")
        return Misconfigured(f"ACM certificate {arn} does not exist; remove `arn` from the document for a new import")

    def _import(self, bundle: Bundle, arn: str | None) -> str:
        chain, private_key = bundle.chain, bundle.private_key
        if private_key is None:
            raise ValueError("checked before")
        arguments: Any = {"Certificate": chain.leaf_pem.encode(), "PrivateKey": private_key.pem().encode()}
        if chain.certificates[1:]:
            arguments["CertificateChain"] = (chain.issuers_pem or chain.top_pem).encode()
        if arn is None:  # ACM accepts tags only at the first import
            arguments["Tags"] = [{"Key": key, "Value": value} for key, value in {**self._tags, **self._more}.items()]
        else:
            arguments["CertificateArn"] = arn
        with translated(f"import into ACM{'' if arn is None else f' certificate {arn}'}"):
            try:
                client = self._once if arn is None else self._client
                return client.import_certificate(**arguments)["CertificateArn"]
            except ClientError as error:
                if code(error) == "ResourceNotFoundException" and arn is not None:
                    raise self._gone(arn) from error
                if code(error) == "ConflictException":
                    raise Busy(
                        f"cannot import into ACM: another client is changing {arn or 'the certificate'}"
                    ) from error
                if code(error) == "LimitExceededException":
                    raise QuotaExceeded(
                        f"{self.service}: import quota exceeded; request a higher one from AWS, or delete certificates"
                    ) from error
                raise

    def _require_ours(self, arn: str) -> None:
        """Raise Misconfigured if the certificate is not this stack's; IAM denies it too, but without the reason."""
        adopt = f"to adopt it run: evercert adopt {quote(self._certificate)} {arn}"
        require_owned(self._tags_of(arn), self._owner, self._certificate, f"ACM certificate {arn}", adopt)

    def _imported(self, since: datetime | None) -> Iterator[str]:
        """Yield the ARNs of imports, newest first. Without `Includes.keyTypes` ACM lists only RSA certificates."""
        start: dict[str, str] = {}
        for _ in range(MAX_PAGES):
            with translated("list the certificates in ACM"):
                page = self._client.list_certificates(
                    Includes={"keyTypes": rules.KEY_TYPES},
                    MaxItems=PAGE_SIZE,
                    SortBy="CREATED_AT",
                    SortOrder="DESCENDING",
                    **start,  # type: ignore[arg-type]
                )
            for summary in page["CertificateSummaryList"]:
                made = summary.get("CreatedAt")
                if made is not None and since is not None and made < since:
                    return
                if summary.get("Type", "IMPORTED") == "IMPORTED":
                    yield summary["CertificateArn"]
            if not page.get("NextToken"):
                return
            start = {"NextToken": page["NextToken"]}

    def _tags_of(self, arn: str) -> dict[str, str]:
        with translated(f"read the tags of ACM certificate {arn}"):
            found = self._client.list_tags_for_certificate(CertificateArn=arn).get("Tags", [])
        return {tag["Key"]: tag.get("Value", "") for tag in found}
