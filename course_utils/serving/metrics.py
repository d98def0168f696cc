"""What the service counts, on a page that Prometheus reads; with several workers the page sums over all of them."""

from __future__ import annotations

import os

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

CONTENT_TYPE = CONTENT_TYPE_LATEST
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
CONFIDENCES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999, 1.0)
FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


class Metrics:
    """The counters of one app.

    See: chapter 06, "Watch it: the metrics page".
    """

    def __init__(self) -> None:
        """Make them, in a registry of their own."""
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "service_requests", "Requests answered", ["route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "service_request_seconds",
            "Seconds from the first line of the app to the answer",
            ["route"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.refused = Counter(
            "service_refused", "Requests refused, by reason", ["code"], registry=self.registry
        )
        self.predictions = Counter(
            "service_predictions", "Pictures answered", ["version", "label"], registry=self.registry
        )
        self.confidence = Histogram(
            "service_confidence", "Confidence of the answers", buckets=CONFIDENCES, registry=self.registry
        )
        self.shadow = Counter(
            "service_shadow", "Pictures that a shadow version saw too", ["agrees"], registry=self.registry
        )
        self.failed_versions = Counter(
            "service_failed_versions", "Versions that were asked for and refused", registry=self.registry
        )

    def page(self) -> bytes:
        """Return the page, in Prometheus' text format."""
        if FOLDER_VARIABLE not in os.environ:
            return generate_latest(self.registry)
        everyone = CollectorRegistry()
        MultiProcessCollector(everyone)  # type: ignore[no-untyped-call]  # adds itself
        return generate_latest(everyone)
