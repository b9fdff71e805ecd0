"""Evidently's drift reports become executions that feedback can cite.

What is read is what a report gives of itself (`.dict()`, `.json()`, or `.as_dict()` before 0.7), so POET
needs no Evidently of its own: a report may come from another environment, as JSON.
"""

import json
import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from poet.integrations.nannyml_results import recorded, rows_of
from poet_runtime.errors import EventError
from poet_runtime.results import DriftResult

if TYPE_CHECKING:
    from poet.workspace.workspace import Workspace


EVENT: Final = "Evidently's report"
# methods whose score is a p-value, by Evidently's own names for them; of all others, more is more drift
P_VALUES: Final = frozenset(
    {
        "Anderson-Darling",
        "Cramer-von Mises",
        "Epps-Singleton",
        "Fisher's Exact test",
        "K-S p_value",
        "Mann-Whitney U-rank test",
        "TVD",
        "Total-Variation-Distance",
        "Z-test p_value",
        "anderson",
        "chi-square p_value",
        "chisquare",
        "cramer_von_mises",
        "empirical_mmd",
        "es",
        "fisher_exact",
        "g_test",
        "ks",
        "mannw",
        "t_test",
        "z",
    }
)


def record(
    workspace: "Workspace",
    report: Any,
    *,
    current: Any = None,
    reference: Any = None,
    when: float | None = None,
) -> dict[str, DriftResult]:
    """Record what a report says of each column; gives it by column, with the ids that feedback cites.

    Parameters
    ----------
    report
        What `Report.run` gave, its dictionary, or its JSON.
    current, reference
        The tables that the report was made of. With them every candidate statistic is computed, so that POET
        can learn a better rule; without them it learns only how good this monitor is.
    when
        When the report was made, in seconds since 1970; by default now.

    Raises
    ------
    EventError
        The report has no column whose drift was measured, or is none of Evidently's.
    """
    return {
        result.feature: recorded(
            workspace,
            result,
            rows_of(current, result.feature),
            rows_of(reference, result.feature),
            when=when,
        )
        for result in results(report)
    }


def results(report: Any) -> tuple[DriftResult, ...]:
    """Give what a report says of each column, in its order, without recording it.

    Raises
    ------
    EventError
        As `record`.
    """
    found = tuple(_found(_document(report)))
    if not found:
        raise EventError(
            event=EVENT,
            path="metrics",
            expected="the drift of at least one column, as DataDriftPreset or ValueDrift measure it",
            got="none",
        )
    return found


def _document(report: Any) -> Mapping[str, Any]:
    document = report
    if isinstance(report, str | bytes):
        try:
            document = json.loads(report)
        except ValueError as error:
            raise EventError(event=EVENT, path="report", expected="JSON", got=str(error)) from error
    for way in ("as_dict", "dict"):  # the older one first: there `dict` is pydantic's
        if not isinstance(document, Mapping) and hasattr(document, way):
            document = getattr(document, way)()
    if not isinstance(document, Mapping) or not isinstance(document.get("metrics"), list):
        expected = "what Report.run gave, or its dictionary, with a list of metrics"
        raise EventError(event=EVENT, path="metrics", expected=expected, got=f"{report!r:.80}")
    return document


def _found(document: Mapping[str, Any]) -> Iterator[DriftResult]:
    for metric in document["metrics"]:
        config, value, result = (metric.get(name) or {} for name in ("config", "value", "result"))
        if str(config.get("type", "")).endswith(":ValueDrift"):
            yield _result(config["column"], config["method"], value or 0.0, config["threshold"])
        elif "drift_by_columns" in result:
            for each in result["drift_by_columns"].values():
                yield _result(
                    each["column_name"],
                    each["stattest_name"],
                    each["drift_score"],
                    each["stattest_threshold"],
                )


def _result(column: str, method: str, score: Any, threshold: Any) -> DriftResult:
    score, threshold = float(score), float(threshold)
    is_p_value = method in P_VALUES
    return DriftResult(
        drifted=score <= threshold if is_p_value else score >= threshold,
        score=score,
        threshold=threshold,
        test=f"evidently/{method}",
        direction="below" if is_p_value else "above",
        p_value=score if is_p_value else None,
        rule="evidently",
        reason="" if math.isfinite(score) else "Evidently could not measure it",
        feature=column,
    )
