"""Runs upgrades: claims them from the table that is the queue, and carries each out step by step."""

from gateway.engine.clients import PartnerCenterClients
from gateway.engine.engine import Engine
from gateway.engine.listening import announce
from gateway.engine.trying import Outcome, Report

__all__ = ["Engine", "Outcome", "PartnerCenterClients", "Report", "announce"]
