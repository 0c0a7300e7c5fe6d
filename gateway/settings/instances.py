"""`<applicationInstances>`: each application instance's access to Microsoft, or to the simulator of it."""

from typing import Annotated, Any, Self

from pydantic import Field, FieldSerializationInfo, SecretStr, field_serializer

from gateway.settings.base import Settings
from gateway.settings.kinds import CountryCode, Secret, Text
from gateway.settings.urls import SIMULATOR, ServiceURL

CLEAR_SECRETS = {"secrets": "clear"}
"""The serialization context in which secrets are written as they are."""

DEMONSTRATION: dict[str, str | SecretStr] = {
    "tenant_id": "simulated-partner.onmicrosoft.com",
    "client_id": "simulated-client",
    "client_secret": SecretStr("simulated-secret"),
    "refresh_token": SecretStr("simulated-refresh-token"),
}
"""Credentials that the simulator takes, and nobody else."""

_NAME = Text("a name of at most 100 characters", r"[^\x00-\x1f]{1,100}")


class InstanceSettings(Settings):
    """One application instance and its access to a CSP partner account."""

    name: Annotated[str, _NAME] = Field(
        description="Name of the application instance in the catalog; each name once, whatever its case.",
    )
    partner_center_url: Annotated[str, ServiceURL(or_simulator=True)] = Field(
        default="https://api.partnercenter.microsoft.com",
        description="Where Microsoft's Partner Center API is, or the word for the built-in simulator of it.",
    )
    authority_url: Annotated[str, ServiceURL()] = Field(
        default="https://login.microsoftonline.com",
        description="Where tokens come from.",
    )
    tenant_id: Annotated[str, Text("a tenant id or a domain name", r"[A-Za-z0-9][A-Za-z0-9._-]*")] = Field(
        default="",
        description="The partner's own tenant; required unless simulated.",
    )
    client_id: Annotated[str, Text("an application id", r"[\x21-\x7e]+")] = Field(
        default="",
        description="The application registered for the gateway in that tenant; required unless simulated.",
    )
    client_secret: Annotated[SecretStr, Secret()] = Field(
        default=SecretStr(""),
        description="Its secret; required unless simulated. Belongs into a second file.",
    )
    refresh_token: Annotated[SecretStr, Secret()] = Field(
        default=SecretStr(""),
        description="With one the gateway signs in as application and user, without one as application only.",
    )
    country: Annotated[str, CountryCode()] = Field(
        default="US",
        description="Country whose offers of Microsoft are used.",
    )
    simulated: bool = False
    """Kept apart from the URL, which becomes the simulator's address once it runs."""

    @property
    def is_simulated(self) -> bool:
        return self.simulated

    @property
    def signs_in_as_user(self) -> bool:
        """App+User, as all calls about users and their licenses need it."""
        return self.simulated or bool(self.refresh_token.get_secret_value())

    def at_simulator(self, url: str) -> Self:
        """A copy that talks to the simulator at this URL; credentials it lacks are the demonstration ones."""
        missing = {name: value for name, value in DEMONSTRATION.items() if not getattr(self, name)}
        return self.model_copy(update={"partner_center_url": url, "authority_url": url, **missing})

    def as_written(self) -> Self:
        """The opposite: where the simulator happens to run is no setting, so a comparison must not see it."""
        if not self.simulated:
            return self
        update: dict[str, Any] = {
            "partner_center_url": SIMULATOR,
            "authority_url": type(self).model_fields["authority_url"].default,
        }
        lent = {
            name: type(value)("") for name, value in DEMONSTRATION.items() if getattr(self, name) == value
        }
        return self.model_copy(update=update | lent)

    @field_serializer("client_secret", "refresh_token", when_used="json")
    def _write_secret(self, secret: SecretStr, info: FieldSerializationInfo) -> str:
        return secret.get_secret_value() if info.context == CLEAR_SECRETS else str(secret)
