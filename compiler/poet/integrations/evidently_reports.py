"""Record Evidently drift reports as executions that feedback can cite.

This module reads the exported form of a report (`.dict()`, `.json()`, or `.as_dict()` before 0.7). POET
therefore does not need Evidently: a report can come from another environment as JSON.
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
# Evidently's names of methods whose score is a p-value; for all others, a larger score means more drift
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
    """Record the result of each column in a report, and return the results with execution ids, by column.

    Parameters
    ----------
    report
        The return value of `Report.run`, its dictionary, or its JSON.
    current, reference
        The tables that the report compares. If given, every candidate statistic is computed, so that POET can
        learn a better rule. Without them it learns only how accurate this monitor is.
    when
        The time of the report, in seconds since 1970; by default now.

    Raises
    ------
    EventError
        The report has no column with a drift measurement, or is not an Evidently report.
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
    """Return the result of each column in report order, without recording them.

    Raises
    ------
    EventError
        Under the same conditions as in `record`.
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
    for way in ("as_dict", "dict"):  # the older name first, because before 0.7 `dict` is pydantic's
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
