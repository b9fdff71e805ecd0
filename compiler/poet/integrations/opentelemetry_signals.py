"""OpenTelemetry spans and metrics for policy calls and compiles.

Only the OpenTelemetry API is needed. If a program sets up no provider, all calls are
no-ops.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import metrics, trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import Span, TracerProvider

from poet_runtime.policies.policy import Attributes, runtime_policy

if TYPE_CHECKING:
    from poet.workspace.workspace import Report, Workspace


SCOPE: Final = "poet"


class Observed:
    """A workspace whose policy calls and compiles are traced and measured.

    Spans: ``poet.call <policy>`` and ``poet.compile``. Metrics: ``poet.calls``, ``poet.call.duration``,
    ``poet.compiles``, ``poet.compile.duration`` (seconds) and ``poet.versions.published``. An error ends its
    span with the status ERROR, is counted with ``error.type``, and is raised to the caller.

    Parameters
    ----------
    workspace
        The workspace whose policies are called.
    tracer_provider, meter_provider
        By default the global providers of the program.
    """

    def __init__(
        self,
        workspace: "Workspace",
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        self.workspace = workspace
        self._tracer = trace.get_tracer(SCOPE, tracer_provider=tracer_provider)
        meter = metrics.get_meter(SCOPE, meter_provider=meter_provider)
        self._calls = meter.create_counter("poet.calls", "{call}", "Calls of policies.")
        self._call_s = meter.create_histogram("poet.call.duration", "s", "How long a call took.")
        self._compiles = meter.create_counter("poet.compiles", "{compile}", "Compiles.")
        self._compile_s = meter.create_histogram("poet.compile.duration", "s", "How long a compile took.")
        self._published = meter.create_counter("poet.versions.published", "{version}", "Versions published.")

    def policy(self, name: str) -> Callable[..., Any]:
        """Return the stable callable of a policy; each call creates a span with attributes of its answer."""
        answer = self.workspace.policy(name)

        def call(*args: Any, **kwargs: Any) -> Any:
            with self._seen(f"poet.call {name}", {"poet.policy": name}, self._calls, self._call_s) as (
                span,
                counted,
            ):
                result = answer(*args, **kwargs)
                asked = runtime_policy(name).for_answer(result)
                counted.update(asked.metric_attributes(result))
                span.set_attributes(asked.metric_attributes(result) | asked.span_attributes(result))
                span.set_attribute("poet.execution_id", self.workspace.last_execution_id())
                return result

        call.__name__ = call.__qualname__ = name
        call.__doc__ = answer.__doc__
        vars(call)["__signature__"] = answer.__signature__
        return call

    def compile(self, policies: Iterable[str] = (), **keywords: Any) -> "Report":
        """Compile the workspace in one span, with an event for each stage."""
        with self._seen("poet.compile", {}, self._compiles, self._compile_s) as (span, _):
            report = self.workspace.compile(policies, progress=span.add_event, **keywords)
            span.set_attribute("poet.log_position", report.plan.log_position)
            for policy, version in sorted(report.versions.items()):
                span.set_attribute(f"poet.published.{policy}", version)
                self._published.add(1, {"poet.policy": policy})
            return report

    @contextmanager
    def _seen(
        self, name: str, attributes: Attributes, counter: metrics.Counter, seconds: metrics.Histogram
    ) -> Iterator[tuple[Span, Attributes]]:
        counted = dict(attributes)
        begin = perf_counter()
        try:
            with self._tracer.start_as_current_span(name, attributes=attributes) as span:
                yield span, counted
        except BaseException as error:
            counted["error.type"] = type(error).__qualname__
            raise
        finally:
            seconds.record(perf_counter() - begin, attributes)
            counter.add(1, counted)
