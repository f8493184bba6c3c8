"""Who may request certificates of a profile through the API, and with which options."""

from __future__ import annotations

from evercert.authority.api_errors import bad_request, forbidden
from evercert.authority.configuration.profiles import ApiOptions, Application, Profile


def enrollment_options(profile: Profile, application: Application | None) -> ApiOptions | None:
    """Return the options of the application, or those of the profile; raise Refusal (403, 400) if API use is off."""
    if profile.enrollment == "acme":
        raise forbidden("Profile is not configured for api enrollment")
    if application is None:
        return profile.api
    if application.project != profile.project or profile.slug not in application.profiles:
        raise bad_request("This profile is not attached to the specified Application.")
    settings = application.enrollment.get(profile.slug)
    if settings is not None and settings.api is None:
        raise bad_request("API enrollment is not configured for this profile on the Application.")
    return profile.api if settings is None else settings.api
