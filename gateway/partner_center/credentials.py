"""What the gateway signs in with."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import quote

AUDIENCE = "https://api.partnercenter.microsoft.com"


@dataclass(frozen=True)
class Credentials:
    """One partner's application, and where Partner Center is.

    With a refresh token it signs in as App+User, which licence calls need; else as the application alone.
    """

    authority_url: str
    """The login host, such as https://login.microsoftonline.com"""
    tenant_id: str
    """The partner's own tenant: its id or a domain of it."""
    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)
    base_url: str = AUDIENCE
    """Partner Center, without /v1"""
    audience: str = AUDIENCE
    """What the token is for: the same at every base URL."""

    @property
    def supports_users(self) -> bool:
        return bool(self.refresh_token)

    @property
    def token_url(self) -> str:
        return f"{self.authority_url.rstrip('/')}/{quote(self.tenant_id, safe='')}/oauth2/v2.0/token"

    @property
    def api_url(self) -> str:
        """Without a slash at the end."""
        return f"{self.base_url.rstrip('/').removesuffix('/v1')}/v1"
