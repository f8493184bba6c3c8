"""Parameter Store in memory, with the rules that the emulators do not enforce; each rule with its source.

Sources: the service model that botocore ships ("model"), the API reference ("API") and the user guide ("guide").
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from tests.doubles.strict_aws import ACCOUNT, REGION, refuse

LIMITS = {"Standard": 4_096, "Advanced": 8_192}  # guide, "Managing parameter tiers"
MOST_VERSIONS, LARGEST_PAGE = 100, 50  # guide, "Working with parameter versions"; model: GetParameterHistory


@dataclass
class Parameter:
    """A parameter and its versions, oldest first."""

    type: str
    tier: str
    tags: dict[str, str]
    versions: list[dict[str, Any]] = field(default_factory=list)
    values: list[str] = field(default_factory=list)


class StrictSSM:
    """A client of Parameter Store."""

    def __init__(self) -> None:
        self.parameters: dict[str, Parameter] = {}
        self.keys: dict[str, str] = {}  # KMS keys: "usable", "denied" or "disabled"
        self.writes: list[str] = []

    def get_parameter(self, *, Name: str, WithDecryption: bool = False) -> dict[str, Any]:
        found = self._find(Name, "GetParameter")
        last = found.versions[-1]
        value = found.values[-1] if WithDecryption else f"AQICAH{last['Version']}"
        answer = {"Name": Name, "Type": found.type, "Value": value, "Version": last["Version"]}
        return {"Parameter": {**answer, "ARN": f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{Name}"}}

    def get_parameter_history(self, *, Name: str, MaxResults: int, NextToken: str = "0") -> dict[str, Any]:
        if not 1 <= MaxResults <= LARGEST_PAGE:
            raise refuse("ValidationException", "GetParameterHistory", "MaxResults")
        versions, start = self._find(Name, "GetParameterHistory").versions, int(NextToken)
        end = start + MaxResults
        page = {"Parameters": [dict(each) for each in versions[start:end]]}
        return {**page, "NextToken": str(end)} if end < len(versions) else page

    def list_tags_for_resource(self, *, ResourceType: str, ResourceId: str) -> dict[str, Any]:
        if ResourceType != "Parameter" or ResourceId not in self.parameters:
            raise refuse("InvalidResourceId", "ListTagsForResource")
        return {"TagList": [{"Key": k, "Value": v} for k, v in self.parameters[ResourceId].tags.items()]}

    def put_parameter(
        self,
        *,
        Name: str,
        Value: str,
        Overwrite: bool,
        Type: str,
        Tier: str = "Standard",
        Description: str = "",
        KeyId: str = "alias/aws/ssm",
        Tags: list[dict[str, str]] | None = None,
    ) -> dict[str, Any]:
        self._check_name(Name)
        if Overwrite and Tags:  # API: "To create a parameter with tags, please remove overwrite flag"
            raise refuse("ValidationException", "PutParameter", "tags and overwrite can't be used together")
        for tag in Tags or []:  # model: TagValue
            if not re.fullmatch(r"[\w\s.:/=+@-]{0,256}", tag["Value"]):
                raise refuse("ValidationException", "PutParameter", "invalid tag")
        if len(Description) > 1_024 or not Value:  # model: ParameterDescription, PSParameterValue
            raise refuse("ValidationException", "PutParameter", "length")
        self._use_key(KeyId)
        found = self.parameters.get(Name)
        if found is not None and not Overwrite:
            raise refuse("ParameterAlreadyExists", "PutParameter")
        tier = self._tier(Tier, Value, found)
        if found is None:
            tags = {tag["Key"]: tag["Value"] for tag in Tags or []}
            found = self.parameters[Name] = Parameter(Type, tier, tags)
        elif found.type != Type:
            raise refuse("HierarchyTypeMismatchException", "PutParameter")
        return self._store(found, tier, Value, {"Description": Description, "KeyId": KeyId})

    def delete_parameter(self, *, Name: str) -> None:
        self._find(Name, "DeleteParameter")
        del self.parameters[Name]

    def _store(self, found: Parameter, tier: str, value: str, more: dict[str, str]) -> dict[str, Any]:
        found.tier = tier
        number = found.versions[-1]["Version"] + 1 if found.versions else 1
        if len(found.versions) == MOST_VERSIONS:
            if found.versions[0].get("Labels"):  # guide: the oldest version is deleted, unless it has a label
                raise refuse("ParameterMaxVersionLimitExceeded", "PutParameter")
            del found.versions[0], found.values[0]
        found.versions.append({"Version": number, "Type": found.type, **more})
        found.values.append(value)
        self.writes.append("put")
        return {"Version": number, "Tier": tier}

    @staticmethod
    def _tier(tier: str, value: str, found: Parameter | None) -> str:
        """Choose the tier as the guide says: only upwards, and Intelligent-Tiering as low as it can."""
        held = found.tier if found is not None else "Standard"
        if tier == "Standard" and held == "Advanced":
            raise refuse("ValidationException", "PutParameter", "can't downgrade to the standard-parameter tier")
        if tier == "Intelligent-Tiering":
            tier = "Advanced" if held == "Advanced" or len(value) > LIMITS["Standard"] else "Standard"
        if len(value) > LIMITS[tier]:
            raise refuse("ValidationException", "PutParameter", f"{tier} tier parameters support a maximum value")
        return tier

    @staticmethod
    def _check_name(name: str) -> None:
        """API, PutParameter: characters, 1,011 with the ARN, 15 levels, no names of AWS."""
        arn = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{name}"
        if not re.fullmatch(r"[A-Za-z0-9_./-]+", name) or len(arn) > 1_011:
            raise refuse("ValidationException", "PutParameter", "name")
        if name.count("/") > 15:
            raise refuse("HierarchyLevelLimitExceededException", "PutParameter")
        if re.match(r"(?i)/?(aws|ssm)", name):
            raise refuse("ValidationException", "PutParameter", "reserved name")

    def _find(self, name: str, operation: str) -> Parameter:
        if name not in self.parameters:
            raise refuse("ParameterNotFound", operation)
        return self.parameters[name]

    def _use_key(self, key: str) -> None:
        match self.keys.get(key, "denied") if key != "alias/aws/ssm" else "usable":
            case "denied":
                message = "User is not authorized to perform: kms:GenerateDataKey on this resource"
                raise refuse("AccessDeniedException", "PutParameter", message)
            case "disabled":
                raise refuse("InvalidKeyId", "PutParameter", f"{key} is disabled. (Service: AWSKMS)")
