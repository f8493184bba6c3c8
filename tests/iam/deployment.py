"""The template, resolved as CloudFormation does for one stack: roles with their statements, key policies, physical names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

from tests.iam.intrinsics import Intrinsics, Unresolved
from tests.iam.policies import Statement, statements
from tests.tools.template import load_template

DEFAULT_REGION, DEFAULT_ACCOUNT = "eu-central-1", "000000000000"
# By type: the service in the ARN, and the text before the physical name.
ARNS = {
    "AWS::DynamoDB::Table": ("dynamodb", "table/"),
    "AWS::SQS::Queue": ("sqs", ""),
    "AWS::SNS::Topic": ("sns", ""),
    "AWS::KMS::Key": ("kms", "key/"),
    "AWS::Serverless::Function": ("lambda", "function:"),
    "AWS::Lambda::Function": ("lambda", "function:"),
    "AWS::Logs::LogGroup": ("logs", "log-group:"),
}


RESTORED_TABLES = tuple(f"Restored{table}Table" for table in ("", "Issuers", "Configuration", "Authority", "Ledger"))


@cache
def _template() -> dict[str, Any]:
    return load_template()


@dataclass(frozen=True)
class Deployment:
    """One stack. `physical` maps logical ids to physical ones (or ARNs, URLs); the default is the logical id itself."""

    parameters: Mapping[str, str] = field(default_factory=dict)
    stack: str = "evercert"
    region: str = DEFAULT_REGION
    account: str = DEFAULT_ACCOUNT
    partition: str = "aws"
    stack_id: str = ""
    physical: Mapping[str, str] = field(default_factory=dict)
    template: Mapping[str, Any] = field(default_factory=_template)

    @cached_property
    def _resources(self) -> dict[str, Any]:
        found: dict[str, Any] = self.template["Resources"]
        return {name: one for name, one in found.items() if self._exists(one)}

    def _exists(self, resource: Mapping[str, Any]) -> bool:
        return "Condition" not in resource or self.intrinsics.condition(resource["Condition"])

    @cached_property
    def intrinsics(self) -> Intrinsics:
        """Return the intrinsic functions of the template with the values of this stack."""
        values: dict[str, Any] = {}
        for name, declared in self.template["Parameters"].items():
            value = self.parameters.get(name, declared.get("Default", ""))
            values[name] = str(value).split(",") if declared["Type"] == "CommaDelimitedList" else value
        if unknown := set(self.parameters) - set(values):
            raise Unresolved(f"unknown parameters {sorted(unknown)}")
        stack_id = (
            self.stack_id or f"arn:{self.partition}:cloudformation:{self.region}:{self.account}:stack/{self.stack}/1"
        )
        suffix = "amazonaws.com.cn" if self.partition == "aws-cn" else "amazonaws.com"
        values |= {
            "AWS::StackName": self.stack, "AWS::StackId": stack_id, "AWS::Region": self.region,
            "AWS::AccountId": self.account, "AWS::Partition": self.partition, "AWS::URLSuffix": suffix,
        }  # fmt: skip
        return Intrinsics(self.template, values, self._reference, self._attribute)

    def _type(self, name: str) -> str:
        if name not in self.template["Resources"]:
            raise Unresolved(f"unknown resource {name}")
        return str(self.template["Resources"][name]["Type"])

    def _name(self, name: str) -> str:
        """Return the last part of the physical id: a name or a key id."""
        if (given := self.physical.get(name)) is not None:
            return given.rpartition("/")[2].rpartition(":")[2]
        properties = self.template["Resources"][name].get("Properties", {})
        return str(self.intrinsics.resolve(properties["LogGroupName"])) if "LogGroupName" in properties else name

    def _reference(self, name: str) -> Any:
        kind = self._type(name)
        if kind in ("AWS::SNS::Topic", "AWS::IAM::ManagedPolicy"):
            return self.arn(name)
        if kind == "AWS::SQS::Queue":
            return f"https://sqs.{self.region}.amazonaws.com/{self.account}/{self._name(name)}"
        return self._name(name)

    def _attribute(self, name: str, attribute: str) -> Any:
        if attribute == "Arn":
            return self.arn(name)
        if attribute in ("QueueName", "TopicName"):
            return self._name(name)
        if attribute == "ApiEndpoint":
            return f"https://{name.lower()}.execute-api.{self.region}.amazonaws.com"
        if self._type(name) == "AWS::S3::Bucket":
            return f"{self._name(name).lower()}.s3.{self.region}.amazonaws.com"
        raise Unresolved(f"unknown attribute {name}.{attribute}")

    def arn(self, name: str) -> str:
        """Return the ARN of a resource of the template."""
        kind = self._type(name)
        if kind in ("AWS::IAM::Role", "AWS::IAM::ManagedPolicy"):
            path = "role" if kind == "AWS::IAM::Role" else "policy"
            return f"arn:{self.partition}:iam::{self.account}:{path}/{self._name(name)}"
        if kind == "AWS::S3::Bucket":
            return f"arn:{self.partition}:s3:::{self._name(name)}"
        if kind not in ARNS:
            raise Unresolved(f"unknown ARN of {name}, a {kind}")
        service, before = ARNS[kind]
        end = ":*" if service == "logs" else ""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{before}{self._name(name)}{end}"

    def of(self, kind: str) -> list[str]:
        """Return the logical ids of the existing resources of a type."""
        return [name for name, one in self._resources.items() if one["Type"] == kind]

    def properties(self, name: str) -> dict[str, Any]:
        """Return the resolved properties of an existing resource."""
        found: dict[str, Any] = self.intrinsics.resolve(self._resources[name]["Properties"])
        return found

    @cached_property
    def identity_documents(self) -> dict[str, list[dict[str, Any]]]:
        """Return the policy documents of each role by its logical id."""
        managed = {self.arn(one): self.properties(one) for one in self.of("AWS::IAM::ManagedPolicy")}
        found = {}
        for role in self.of("AWS::IAM::Role"):
            properties = self.properties(role)
            policies = [
                *properties.get("Policies", []),
                *(managed[arn] for arn in properties.get("ManagedPolicyArns", [])),
            ]
            found[role] = [one["PolicyDocument"] for one in policies]
        return found

    @cached_property
    def key_documents(self) -> dict[str, dict[str, Any]]:
        """Return the key policies by the ARN of the key."""
        return {self.arn(key): self.properties(key)["KeyPolicy"] for key in self.of("AWS::KMS::Key")}

    @cached_property
    def roles(self) -> dict[str, list[Statement]]:
        """Return the statements of each role by its logical id."""
        return {
            role: [one for document in found for one in statements(document, role)]
            for role, found in self.identity_documents.items()
        }

    @cached_property
    def key_policies(self) -> dict[str, list[Statement]]:
        """Return the statements of each key policy by the ARN of the key."""
        return {self.arn(key): statements(self.key_documents[self.arn(key)], key) for key in self.of("AWS::KMS::Key")}

    def key_of(self, arn: str) -> str | None:
        """Return the ARN of the key that encrypts a table, queue or topic of this stack."""
        return self._keys.get(arn.partition("/index/")[0])

    @cached_property
    def _keys(self) -> dict[str, str]:
        found = {}
        for name, one in self._resources.items():
            properties = one.get("Properties", {})
            key = properties.get("KmsMasterKeyId") or properties.get("SSESpecification", {}).get("KMSMasterKeyId")
            if key is not None:
                found[self.arn(name)] = self.intrinsics.resolve(key)
        return found | self._keys_of_restored_tables(found)

    def _keys_of_restored_tables(self, own: Mapping[str, str]) -> dict[str, str]:
        """Return the keys of the tables that parameters name: the key of another stack, or the stack's own."""
        key = self.parameters.get("RestoredDataKey") or own[self.arn("CertificatesTable")]
        where = f"arn:{self.partition}:dynamodb:{self.region}:{self.account}:table/"
        return {where + table: key for one in RESTORED_TABLES if (table := self.parameters.get(one))}
