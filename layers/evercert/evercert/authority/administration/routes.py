"""Routes of the management API: path templates, handlers and schemas."""

from __future__ import annotations

from evercert.authority.administration.identity_routes import IDENTITY_ROUTES, LOGIN_ROUTES
from evercert.authority.administration.services import AdministrationServices
from evercert.authority.infisical_api.endpoint import Route

MANAGER = "/api/v1/cert-manager"
PROFILES = f"{MANAGER}/certificate-profiles"
POLICIES = f"{MANAGER}/certificate-policies"
APPLICATIONS = f"{MANAGER}/applications"
_APPLICATION = f"{APPLICATIONS}/{{id}}"
_ATTACHED = f"{_APPLICATION}/profiles/{{profile}}"
_PAGE = ("projectId", "offset", "limit", "search")
_Route = Route[AdministrationServices]

_PROFILE_ROUTES = (
    _Route(
        "POST",
        PROFILES,
        lambda services, call: services.profiles.create(call.caller, call.body),
        "Create a profile",
        "ProfileFound",
        body="ProfileFields",
    ),
    _Route(
        "PATCH",
        f"{PROFILES}/{{id}}",
        lambda services, call: services.profiles.change(call.caller, call.ids["id"], call.body),
        "Change a profile",
        "ProfileFound",
        body="ProfileFields",
    ),
    _Route(
        "DELETE",
        f"{PROFILES}/{{id}}",
        lambda services, call: services.profiles.delete(call.caller, call.ids["id"]),
        "Delete a profile; its certificates remain valid",
        "ProfileFound",
    ),
)

_POLICY_ROUTES = (
    _Route(
        "POST",
        POLICIES,
        lambda services, call: services.policies.create(call.caller, call.body),
        "Create a policy",
        "PolicyFound",
        body="PolicyFields",
    ),
    _Route(
        "GET",
        POLICIES,
        lambda services, call: services.policies.list(call.caller, call.query, *call.page),
        "List the policies of a project",
        "Policies",
        query=_PAGE,
    ),
    _Route(
        "GET",
        f"{POLICIES}/{{id}}",
        lambda services, call: services.policies.read(call.caller, call.ids["id"]),
        "Get a policy",
        "PolicyFound",
    ),
    _Route(
        "PATCH",
        f"{POLICIES}/{{id}}",
        lambda services, call: services.policies.change(call.caller, call.ids["id"], call.body),
        "Change a policy and the profiles that have it",
        "PolicyFound",
        body="PolicyFields",
    ),
    _Route(
        "DELETE",
        f"{POLICIES}/{{id}}",
        lambda services, call: services.policies.delete(call.caller, call.ids["id"]),
        "Delete a policy without profiles",
        "PolicyFound",
    ),
)

_APPLICATION_ROUTES = (
    _Route(
        "POST",
        APPLICATIONS,
        lambda services, call: services.applications.create(call.caller, call.body),
        "Create an application",
        "ManagedApplicationFound",
        body="ApplicationFields",
    ),
    _Route(
        "GET",
        APPLICATIONS,
        lambda services, call: services.applications.list(call.caller, call.query, *call.page),
        "List the applications of a project",
        "Applications",
        query=_PAGE,
    ),
    _Route(
        "GET",
        _APPLICATION,
        lambda services, call: services.applications.read(call.caller, call.ids["id"]),
        "Get an application",
        "ManagedApplicationFound",
    ),
    _Route(
        "PATCH",
        _APPLICATION,
        lambda services, call: services.applications.change(call.caller, call.ids["id"], call.body),
        "Change an application",
        "ManagedApplicationFound",
        body="ApplicationFields",
    ),
    _Route(
        "DELETE",
        _APPLICATION,
        lambda services, call: services.applications.delete(call.caller, call.ids["id"]),
        "Delete an application; its profiles remain",
        "ManagedApplicationFound",
    ),
    _Route(
        "POST",
        f"{_APPLICATION}/profiles",
        lambda services, call: services.applications.attach(call.caller, call.ids["id"], call.body),
        "Attach profiles to an application",
        "Attached",
        body="ApplicationFields",
    ),
    _Route(
        "DELETE",
        _ATTACHED,
        lambda services, call: services.applications.detach(call.caller, call.ids["id"], call.ids["profile"]),
        "Detach a profile from an application",
        "Detached",
    ),
    _Route(
        "GET",
        f"{_ATTACHED}/enrollment",
        lambda services, call: services.applications.enrollment(call.caller, call.ids["id"], call.ids["profile"]),
        "Get the enrollment settings of a profile in an application",
        "EnrollmentSettings",
    ),
    _Route(
        "PUT",
        f"{_ATTACHED}/enrollment/api",
        lambda services, call: services.applications.set_api(
            call.caller, call.ids["id"], call.ids["profile"], call.body
        ),
        "Enable API enrollment of a profile in an application",
        "ApiConfig",
        body="ApiConfigFields",
    ),
    _Route(
        "DELETE",
        f"{_ATTACHED}/enrollment/api",
        lambda services, call: services.applications.clear_api(call.caller, call.ids["id"], call.ids["profile"]),
        "Disable API enrollment of a profile in an application",
        "Message",
    ),
    _Route(
        "PUT",
        f"{_ATTACHED}/enrollment/{{type}}",
        lambda services, call: services.applications.refuse_type(call.caller, call.ids["id"], call.ids["type"]),
        "Always refused: ACME enrollment belongs to the profile, EST and SCEP are not offered",
    ),
)

ROUTES = (*_PROFILE_ROUTES, *_POLICY_ROUTES, *_APPLICATION_ROUTES, *IDENTITY_ROUTES, *LOGIN_ROUTES)
