"""The web application: REST API, monitoring and pages, over the services."""

from gateway.web.app import main, make_app

__all__ = ["main", "make_app"]
