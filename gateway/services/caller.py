"""Who asks, and how far that one sees."""

from __future__ import annotations

from typing import NamedTuple

from gateway.models import AccountType, Role


class Actor(NamedTuple):
    """Who did something, as the audit log keeps it."""

    name: str
    account_id: str | None = None
    address: str | None = None
    """Where the request came from."""


COMMAND_LINE = Actor("command line")


class Caller(NamedTuple):
    """A user or an API key, as the services see it; made by `gateway.services.branch.make_caller`."""

    account_id: str
    account_type: AccountType
    role: Role
    name: str
    """In words, for `requested_by` and the timeline, such as `API key nightly (o365gw_ab12…)`."""
    vendor_ids: frozenset[str] | None
    """The reseller and all resellers below it; None is the provider, who sees everything."""
    address: str | None = None
    """Where the request came from, for the audit log."""

    @property
    def actor(self) -> Actor:
        return Actor(self.name, self.account_id, self.address)

    @property
    def is_provider(self) -> bool:
        return self.account_type is AccountType.PROVIDER

    @property
    def may_upgrade(self) -> bool:
        """Whether the role allows changes; a reseller needs the upgrade ability as well."""
        return self.role in (Role.OPERATOR, Role.ADMINISTRATOR)

    @property
    def may_administer(self) -> bool:
        return self.role is Role.ADMINISTRATOR

    def sees(self, vendor_id: str) -> bool:
        """Whether something that belongs to this vendor exists for the caller."""
        return self.vendor_ids is None or vendor_id in self.vendor_ids
