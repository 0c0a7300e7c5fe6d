"""Probes, health and metrics: for machines that look, without login and whatever the Host header says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry
from pyramid.config import Configurator
from pyramid.registry import Registry
from pyramid.request import Request
from pyramid.response import Response

from gateway.db import DATABASE_AWAY
from gateway.web.monitoring.cache import Cached
from gateway.web.monitoring.checks import Checks
from gateway.web.monitoring.figures import read_figures
from gateway.web.monitoring.health import look_at_everything, show_health
from gateway.web.monitoring.metrics import GatewayCollector, request_histogram, show_metrics
from gateway.web.monitoring.probes import Look, Readiness, answer
from gateway.web.registry import BACKGROUND, CLIENTS, DATABASE, POOL_STATUS, READINESS, SETTINGS
from gateway.web.views import Method, add_address

CACHE_SECONDS = 1.0
FIGURES_CACHE_SECONDS = 5.0
"""Counting a long history takes a while; no scraper comes more often."""

PROBED_WITH = ("GET", "OPTIONS")
"""Balancers differ in what they send; the status is the same for all."""


def includeme(config: Configurator) -> None:
    registry = config.registry
    checks = Checks(
        registry[DATABASE],
        registry[SETTINGS],
        registry[BACKGROUND],
        registry[CLIENTS],
        registry[POOL_STATUS],
    )
    readiness = Readiness(checks)
    registry[READINESS] = readiness.problems
    registry["gateway.findings"] = Cached(lambda: look_at_everything(checks), CACHE_SECONDS)
    _add(config, "livez", _probe("livez", list))
    _add(config, "readyz", _probe("readyz", Cached(readiness.findings, CACHE_SECONDS)))
    _add(config, "startupz", _probe("startupz", Cached(readiness.startup_findings, CACHE_SECONDS)))
    _add(config, "health", show_health)
    _add_metrics(config)


def _add_metrics(config: Configurator) -> None:
    registry = config.registry
    collectors = CollectorRegistry()
    collector = GatewayCollector(
        Cached(lambda: read_figures(registry[DATABASE]), FIGURES_CACHE_SECONDS),
        registry[SETTINGS].app.max_allowed_nb_of_simultaneous_upgrades,
        Cached(lambda: _engine_status(registry), CACHE_SECONDS),
        registry[POOL_STATUS],
    )
    registry["gateway.request_durations"] = request_histogram(collectors)
    collectors.register(collector)
    registry["gateway.metrics"] = collectors
    config.add_tween(
        "gateway.web.monitoring.metrics.measuring_tween",
        under="gateway.web.observing.observing_tween",
        over="pyramid_tm.tm_tween_factory",
    )
    _add(config, "metrics", show_metrics)


def _engine_status(registry: Registry) -> Mapping[str, Any]:
    try:
        status: Mapping[str, Any] = registry[BACKGROUND].status()
    except DATABASE_AWAY:
        return {}
    return status


def _probe(name: str, look: Look) -> Callable[[Request], Response]:
    return lambda request: answer(name, request, look())


def _add(config: Configurator, name: str, view: Callable[[Request], Response]) -> None:
    methods = dict.fromkeys(PROBED_WITH, Method(view, permission=None))
    add_address(config, f"monitoring.{name}", f"/{name}", methods)
