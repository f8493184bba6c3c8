"""Routes for identities and their logins."""

from __future__ import annotations

from evercert.authority.administration.identity_logins import Method
from evercert.authority.administration.services import AdministrationServices
from evercert.authority.infisical_api.endpoint import Call, Payload, Route

_IDENTITIES = "/api/v1/projects/{project}/identities"
_MEMBERSHIP = "/api/v1/projects/{project}/memberships/identities/{id}"
_UNIVERSAL = "/api/v1/auth/universal-auth/identities/{id}"
_Route = Route[AdministrationServices]

IDENTITY_ROUTES = (
    _Route(
        "POST",
        _IDENTITIES,
        lambda services, call: services.identities.create(call.caller, call.ids["project"], call.body),
        "Create an identity in a project",
        "IdentityFound",
        body="IdentityFields",
    ),
    _Route(
        "GET",
        _IDENTITIES,
        lambda services, call: services.identities.list(
            call.caller, call.ids["project"], call.query, *call.page_of(1_000)
        ),
        "List the identities of a project",
        "Identities",
        query=("offset", "limit", "search"),
    ),
    _Route(
        "GET",
        f"{_IDENTITIES}/{{id}}",
        lambda services, call: services.identities.read(call.caller, call.ids["project"], call.ids["id"]),
        "Get an identity of a project",
        "IdentityFound",
    ),
    _Route(
        "PATCH",
        f"{_IDENTITIES}/{{id}}",
        lambda services, call: services.identities.change(call.caller, call.ids["project"], call.ids["id"], call.body),
        "Replace the permissions of an identity in a project",
        "IdentityFound",
        body="IdentityFields",
    ),
    _Route(
        "DELETE",
        f"{_IDENTITIES}/{{id}}",
        lambda services, call: services.identities.delete(call.caller, call.ids["project"], call.ids["id"]),
        "Delete an identity",
        "IdentityFound",
    ),
    _Route(
        "GET",
        _MEMBERSHIP,
        lambda services, call: services.identities.membership(call.caller, call.ids["project"], call.ids["id"]),
        "Get the role of an identity in a project",
        "Membership",
    ),
    _Route(
        "PATCH",
        _MEMBERSHIP,
        lambda services, call: services.identities.set_roles(
            call.caller, call.ids["project"], call.ids["id"], call.body
        ),
        "Give an identity the permissions of a role: admin, member or no-access",
        "Membership",
        body="RolesFields",
    ),
)

SECRET_ROUTES = (
    _Route(
        "POST",
        f"{_UNIVERSAL}/client-secrets",
        lambda services, call: services.client_secrets.create(call.caller, call.ids["id"], call.body),
        "Create a client secret; only this answer contains it",
        "NewClientSecret",
        body="ClientSecretFields",
    ),
    _Route(
        "GET",
        f"{_UNIVERSAL}/client-secrets",
        lambda services, call: services.client_secrets.list(call.caller, call.ids["id"]),
        "List the client secrets of an identity",
        "ClientSecrets",
    ),
    _Route(
        "GET",
        f"{_UNIVERSAL}/client-secrets/{{secret}}",
        lambda services, call: services.client_secrets.read(call.caller, call.ids["id"], call.ids["secret"]),
        "Get a client secret, without the secret",
        "ClientSecretFound",
    ),
    _Route(
        "POST",
        f"{_UNIVERSAL}/client-secrets/{{secret}}/revoke",
        lambda services, call: services.client_secrets.revoke(call.caller, call.ids["id"], call.ids["secret"]),
        "Delete a client secret",
        "ClientSecretFound",
    ),
)


def _routes_of(method: Method, title: str, schema: str) -> tuple[_Route, ...]:
    """Return the routes of a login with tokens or signed requests."""
    path = f"/api/v1/auth/{method}/identities/{{id}}"

    def attach(services: AdministrationServices, call: Call) -> Payload:
        return services.logins.attach(call.caller, method, call.ids["id"], call.body)

    def change(services: AdministrationServices, call: Call) -> Payload:
        return services.logins.change(call.caller, method, call.ids["id"], call.body)

    return (
        _Route("POST", path, attach, f"Add {title} to an identity", schema, body=f"{schema}Fields"),
        _Route(
            "GET",
            path,
            lambda services, call: services.logins.read(call.caller, method, call.ids["id"]),
            f"Get the settings of {title}",
            schema,
        ),
        _Route("PATCH", path, change, f"Change the settings of {title}", schema, body=f"{schema}Fields"),
        _Route(
            "DELETE",
            path,
            lambda services, call: services.logins.detach(call.caller, method, call.ids["id"]),
            f"Remove {title} from an identity",
            schema,
        ),
    )


LOGIN_ROUTES = (
    *_routes_of("universal-auth", "universal auth", "UniversalAuth"),
    *SECRET_ROUTES,
    *_routes_of("aws-auth", "AWS auth", "AwsAuth"),
    *_routes_of("kubernetes-auth", "Kubernetes auth", "KubernetesAuth"),
    *_routes_of("oidc-auth", "OIDC auth", "OidcAuth"),
    *_routes_of("jwt-auth", "JWT auth", "JwtAuth"),
    *_routes_of("azure-auth", "Azure auth", "AzureAuth"),
    *_routes_of("gcp-auth", "Google Cloud auth", "GcpAuth"),
)
