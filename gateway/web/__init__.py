"""The web application: REST API, monitoring and pages, over the services."""

import gateway.web.package_files  # noqa: F401 -- Pyramid looks for it as soon as it is imported.
from gateway.web.app import main, make_app

__all__ = ["main", "make_app"]
