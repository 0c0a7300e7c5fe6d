"""Provider, resellers and customers: a tree with the provider at its root."""

import enum
from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from gateway.db import Base, utcnow


class AccountType(enum.Enum):
    PROVIDER = "provider"
    RESELLER = "reseller"
    CUSTOMER = "customer"


class Account(Base):
    """A party of the trade. Provider and resellers are vendors; customers are leaves."""

    __tablename__ = "account"
    __table_args__ = (Index("ix_account_parent_id_type_id", "parent_id", "type", "id"),)

    id: Mapped[str] = mapped_column(String(100), primary_key=True)
    type: Mapped[AccountType]
    name: Mapped[str] = mapped_column(String(200))
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("account.id"))
    mpn_id: Mapped[str | None] = mapped_column(String(50))
    """Number of a reseller in Microsoft's partner network."""
    microsoft_tenant_id: Mapped[str | None] = mapped_column(String(64), index=True)
    """The customer's directory at Microsoft."""
    domain: Mapped[str | None] = mapped_column(String(253))
    email: Mapped[str | None] = mapped_column(String(254))
    created_at: Mapped[datetime] = mapped_column(default=utcnow)
    updated_at: Mapped[datetime] = mapped_column(default=utcnow)

    parent: Mapped["Account | None"] = relationship(remote_side=[id])

    @property
    def is_vendor(self) -> bool:
        return self.type is not AccountType.CUSTOMER
