"""Errors with a stable code, which every door of the gateway words in its own way."""

from __future__ import annotations


class GatewayError(Exception):
    """Something the person who asked can act on.

    The message names the thing, the value found and what was expected, and never holds a secret.
    """

    code = "gateway_error"
    """Stable: callers branch on it, so it never changes its meaning."""
