"""What Prometheus reads: counts of requests, events and versions, in its text format."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

__all__ = ["Sample", "Traffic", "exposition"]

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
Sample = tuple[str, Mapping[str, str], float]


class Traffic:
    """Requests by what was asked and answered, and how long they took."""

    def __init__(self) -> None:
        self._answered: Counter[tuple[str, str, int]] = Counter()
        self._within: Counter[tuple[str, int]] = Counter()  # by route and the place of the bound
        self._seconds: Counter[str] = Counter()

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request."""
        self._answered[method, route, status] += 1
        self._within[route, bisect_left(BOUNDS_S, seconds)] += 1
        self._seconds[route] += seconds  # type: ignore[assignment]  # a Counter adds floats as well

    def requests(self) -> Iterator[Sample]:
        """Give the counts of requests."""
        for (method, route, status), count in sorted(self._answered.items()):
            yield "poet_http_requests_total", {"method": method, "route": route, "status": str(status)}, count

    def durations(self) -> Iterator[Sample]:
        """Give the histogram of durations."""
        name = "poet_http_request_duration_seconds"
        for route in sorted(self._seconds):
            total = 0
            for place, bound in enumerate((*map(str, BOUNDS_S), "+Inf")):
                total += self._within[route, place]
                yield f"{name}_bucket", {"route": route, "le": bound}, total
            yield f"{name}_sum", {"route": route}, self._seconds[route]
            yield f"{name}_count", {"route": route}, total


def exposition(families: Iterable[tuple[str, str, str, Iterable[Sample]]]) -> str:
    """Write families of samples (name, type, help) in the text format 0.0.4."""
    lines: list[str] = []
    for name, kind, says, samples in families:
        lines += [f"# HELP {name} {says}", f"# TYPE {name} {kind}"]
        for sample, labels, value in samples:
            named = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
            lines.append(f"{sample}{{{named}}} {value:.12g}" if named else f"{sample} {value:.12g}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
