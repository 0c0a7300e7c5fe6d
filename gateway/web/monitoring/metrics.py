"""`/metrics`: what Prometheus reads. No label ever holds the id of a customer, user or subscription."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from pyramid.registry import Registry
from pyramid.request import Request
from pyramid.response import Response

from gateway import __version__
from gateway.models import UpgradeStatus
from gateway.web.monitoring.cache import Cached
from gateway.web.monitoring.figures import OUTCOMES, Figures
from gateway.web.observing import Handler, route_pattern

METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
POOL_STATES = ("Starting", "Started", "Stopping", "Stopped")
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Seconds; the last ones are for requests that wait for Microsoft."""


class GatewayCollector:
    """Reads everything at the moment of the scrape, so that nothing has to be counted along."""

    def __init__(
        self,
        figures: Cached[Figures | None],
        limit: int,
        engine: Cached[Mapping[str, Any]],
        pool: Mapping[str, Any],
    ) -> None:
        """:param limit: simultaneous upgrades that the settings allow"""
        self._figures = figures
        self._limit = limit
        self._engine = engine
        self._pool = pool

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily(
            "o365gw_build",
            "What runs here",
            value={"version": __version__, "python": platform.python_version()},
        )
        yield gauge("o365gw_upgrades_limit", "Upgrades that may run at the same time", self._limit)
        figures = self._figures()
        yield gauge("o365gw_database_up", "Whether the database answers", int(figures is not None))
        if figures is not None:
            yield from _queue(figures)
        yield from self._heartbeat()
        yield from self._pool_metrics()

    def _heartbeat(self) -> Iterator[Metric]:
        last = self._engine().get("last_heartbeat_at")
        if last is not None:
            name = "o365gw_engine_heartbeat_timestamp_seconds"
            yield gauge(name, "When this node's engine last gave a sign of life", last.timestamp())

    def _pool_metrics(self) -> Iterator[Metric]:
        pool = dict(self._pool)
        if "state" not in pool:
            return
        states = GaugeMetricFamily("o365gw_pool_state", "1 for the state the pool is in", labels=["state"])
        for state in POOL_STATES:
            states.add_metric([state], int(pool["state"] == state))
        yield states
        invalid = int(bool(pool.get("config_error")))
        yield gauge("o365gw_pool_config_invalid", "Whether Settings.config is refused as it is now", invalid)
        for key, text in (("recycles", "Recycles of the pool"), ("failures", "Failures of workers")):
            if isinstance(pool.get(key), int):
                yield CounterMetricFamily(f"o365gw_pool_{key}", text, value=pool[key])


def gauge(name: str, text: str, value: float) -> Metric:
    metric: Metric = GaugeMetricFamily(name, text, value=value)
    return metric


def _queue(figures: Figures) -> Iterator[Metric]:
    """The same on every node, since all share one queue: take the maximum of nodes, not the sum."""
    counts = figures.by_status
    in_progress, pending = (counts.get(s, 0) for s in (UpgradeStatus.IN_PROGRESS, UpgradeStatus.PENDING))
    yield gauge("o365gw_upgrades_in_progress", "Upgrades that run now, over all nodes", in_progress)
    yield gauge("o365gw_upgrades_queued", "Upgrades that wait to be started", pending)
    ended = CounterMetricFamily("o365gw_upgrades", "Upgrades that ended, over all nodes", labels=["outcome"])
    for outcome in OUTCOMES:
        ended.add_metric([outcome.value], counts.get(outcome, 0))
    yield ended
    yield gauge(
        "o365gw_oldest_pending_upgrade_timestamp_seconds",
        "When the upgrade was scheduled that has waited longest; 0 when none waits",
        _timestamp(figures.oldest_pending_at),
    )


def _timestamp(at: datetime | None) -> float:
    return at.timestamp() if at else 0.0


def request_histogram(registry: CollectorRegistry) -> Histogram:
    return Histogram(
        "http_request_duration_seconds",
        "How long requests took",
        ("method", "route", "code"),
        buckets=BUCKETS,
        registry=registry,
    )


def measuring_tween(handler: Handler, registry: Registry) -> Handler:
    durations = registry["gateway.request_durations"]

    def measure(request: Request) -> Response:
        started = time.perf_counter()
        response = handler(request)
        method = request.method if request.method in METHODS else "other"
        labels = (method, route_pattern(request), str(response.status_int))
        durations.labels(*labels).observe(time.perf_counter() - started)
        return response

    return measure


def show_metrics(request: Request) -> Response:
    body = generate_latest(request.registry["gateway.metrics"])
    response = Response(body)
    response.headers["Content-Type"] = CONTENT_TYPE_LATEST
    return response
