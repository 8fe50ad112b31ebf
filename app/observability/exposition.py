"""The figures of all workers of this node as one page, in the format that a scraper asks for."""

from collections.abc import Iterable, Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry

from app.observability import metrics as m
from app.observability.cells import Series

Figure = tuple[m.Metric, tuple[str, ...], float]
"""A gauge that is read when it is asked for."""


def page(series: Iterable[Series], figures: Sequence[Figure], accept: str) -> tuple[bytes, str]:
    """Give the page and its content type, for what a scraper says that it accepts."""
    registry = CollectorRegistry()
    registry.register(_Collected(merged(series), figures))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


def merged(series: Iterable[Series]) -> dict[m.Metric, dict[tuple[str, ...], list[float]]]:
    """Add the workers' figures up: counters of the dead too, gauges of those alone that run."""
    found: dict[m.Metric, dict[tuple[str, ...], list[float]]] = {}
    for one in series:
        metric = m.BY_NAME.get(one.key[0])
        if metric is None or (metric.kind == "gauge" and not one.live):
            continue
        by_labels = found.setdefault(metric, {})
        numbers = by_labels.get(one.key[1:])
        if numbers is None:
            by_labels[one.key[1:]] = list(one.numbers)
        elif metric.merge == "max":
            by_labels[one.key[1:]] = [max(pair) for pair in zip(numbers, one.numbers, strict=True)]
        else:
            by_labels[one.key[1:]] = [a + b for a, b in zip(numbers, one.numbers, strict=True)]
    return found


class _Collected(Collector):
    def __init__(self, counted: dict[m.Metric, dict[tuple[str, ...], list[float]]], figures: Sequence[Figure]) -> None:
        self._counted = counted
        self._figures = figures

    def describe(self) -> Iterable[Metric]:
        """Declare nothing: the registry is used once."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Give every metric that has a figure, in the order of the documentation."""
        read: dict[m.Metric, dict[tuple[str, ...], list[float]]] = {}
        for metric, labels, value in self._figures:
            read.setdefault(metric, {})[labels] = [value]
        for metric in m.METRICS:
            by_labels = self._counted.get(metric) or read.get(metric)
            if by_labels:
                yield _family(metric, by_labels)


def _family(metric: m.Metric, by_labels: dict[tuple[str, ...], list[float]]) -> Metric:
    if metric.kind == "histogram":
        histogram = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        for labels, numbers in sorted(by_labels.items()):
            total = 0.0
            buckets: list[tuple[str, float]] = []
            for bound, count in zip((*map(_bound, metric.buckets), "+Inf"), numbers[:-1], strict=True):
                total += count
                buckets.append((bound, total))
            histogram.add_metric(labels, buckets, numbers[-1])
        return histogram
    if metric.kind == "counter":
        counter = CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
        for labels, (value,) in sorted(by_labels.items()):
            counter.add_metric(labels, value)
        return counter
    gauge = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, (value,) in sorted(by_labels.items()):
        gauge.add_metric(labels, value)
    return gauge


def _bound(bound: float) -> str:
    return repr(bound)
