"""Seed a server from a JSON file."""

from __future__ import annotations

from typing import Any

from tests.doubles.infisical.configuration import Policy
from tests.doubles.infisical.server import Infisical


def plant(server: Infisical, seed: dict[str, Any]) -> list[dict[str, Any]]:
    """Create the objects; return the identities with their new client secrets.

    `organizations`: slugs. `profiles`: slug, project, and optionally issuerType (`self-signed`), external, approval,
    enrollment, policy, defaults. `applications`: name, project, profiles (slugs of that project).
    `identities`: name, and optionally id, methods, permissions, organizations, token_ttl, token_max_ttl.
    """
    server.estate.organizations |= set(seed.get("organizations", []))
    for said in seed.get("profiles", []):
        server.estate.profile(
            said["slug"],
            said["project"],
            None if said.get("issuerType") == "self-signed" else server.authority,
            policy=Policy(said.get("policy")),
            **{key: said[key] for key in ("external", "approval", "enrollment", "defaults") if key in said},
        )
    for said in seed.get("applications", []):
        project = server.estate.project(said["project"])
        profiles = [
            one for one in server.estate.profiles.values() if one.slug in said["profiles"] and one.project_id == project
        ]
        server.estate.application(said["name"], said["project"], *profiles)
    return [_identity(server, dict(said)) for said in seed.get("identities", [])]


def _identity(server: Infisical, said: dict[str, Any]) -> dict[str, Any]:
    for key in ("permissions", "organizations"):
        if key in said:
            said[key] = set(said[key])
    made = server.estate.identity(**said)
    told = {"name": made.name, "identityId": made.id}
    if "universal" in made.methods:
        told |= {"clientId": made.client_id, "clientSecret": made.new_client_secret(server.now())}
    return told
