"""Metrics for Prometheus, in a registry of their own."""

import time
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inpaintlab.serving.pool import Pool

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 60.0)


class Metrics:
    """Counters of requests by route and status, of fills by outcome, and the state of the pool."""

    def __init__(self, pool: Pool) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "inpaintlab_requests", "Requests.", ["route", "method", "status"], registry=self.registry
        )
        self.request_seconds = Histogram(
            "inpaintlab_request_seconds",
            "Time from a request's head to the end of its reply.",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.fills = Counter(
            "inpaintlab_fills", "Fills, by how they ended.", ["outcome"], registry=self.registry
        )
        self.fill_seconds = Histogram(
            "inpaintlab_fill_seconds",
            "Time that a worker took to decode, fill and encode.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        pending = Gauge("inpaintlab_pending", "Images being filled or waiting.", registry=self.registry)
        pending.set_function(lambda: pool.pending)
        workers = Gauge("inpaintlab_workers", "Worker processes that run.", registry=self.registry)
        workers.set_function(lambda: pool.ready)
        self.registry.register(_Restarts(pool))
        ProcessCollector(registry=self.registry)


class _Restarts(Collector):
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def collect(self) -> Iterable[Metric]:
        text = "Workers replaced, by the reason."
        restarts = CounterMetricFamily("inpaintlab_worker_restarts", text, labels=["reason"])
        for reason, count in self._pool.restarts.items():
            restarts.add_metric([reason], count)
        yield restarts


class Measured:
    """Middleware that counts and times requests; a path that no route knows counts as `other`.

    It also forbids browsers to guess what a reply is, so that it is the outermost one.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and note how it went."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-content-type-options", b"nosniff")]
            await send(message)

        start = time.perf_counter()
        try:
            await self._app(scope, receive, noting)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            method = scope["method"] if route != "other" else "other"
            self._metrics.requests.labels(route, method, status).inc()
            self._metrics.request_seconds.labels(route).observe(time.perf_counter() - start)
