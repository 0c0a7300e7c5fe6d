"""The Office 365 gateway: bulk upgrades of Microsoft 365 subscriptions."""

__version__ = "0.1.0"
