"""What a server counts and times, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

__all__ = ["Metrics"]

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_PICTURES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """The counters of one server. No label holds anything a client can choose."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.requests = Counter(
            "graticule_requests", "Requests, by route and status.", ("route", "status"), registry=registry
        )
        self.request_s = Histogram(
            "graticule_request_seconds",
            "From a request's headers to the end of its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=registry,
        )
        self.pictures = Counter(
            "graticule_pictures",
            "Pictures, by model, answered or refused.",
            ("model", "outcome"),
            registry=registry,
        )
        self.refusals = Counter(
            "graticule_refusals", "Requests turned away, by status.", ("status",), registry=registry
        )
        self.batch_pictures = Histogram(
            "graticule_batch_pictures", "Pictures in a batch.", buckets=_PICTURES, registry=registry
        )
        self.batch_s = Histogram(
            "graticule_batch_seconds",
            "What the model takes for a batch.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.queued = Gauge(
            "graticule_queued_pictures", "Pictures that wait for an answer.", registry=registry
        )
        self.held_bytes = Gauge("graticule_held_bytes", "Of uploads in memory.", registry=registry)
        self.in_progress = Gauge("graticule_requests_in_progress", "Requests to locate.", registry=registry)

    def text(self) -> bytes:
        """All of it, in Prometheus' text format."""
        return generate_latest(self._registry)
