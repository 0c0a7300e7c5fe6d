"""The catalog: its format, its import, and one to try things out with."""

from gateway.services.catalog.errors import CatalogError, CatalogProblem
from gateway.services.catalog.files import keep_for_simulator, parse_catalog, read_catalog
from gateway.services.catalog.importing import import_catalog
from gateway.services.catalog.summary import Counts, ImportSummary

__all__ = [
    "CatalogError",
    "CatalogProblem",
    "Counts",
    "ImportSummary",
    "import_catalog",
    "keep_for_simulator",
    "parse_catalog",
    "read_catalog",
]
