"""What was said about windows: one reading per event, on fixed bands and a fixed grid."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from poet.learn.feedback_rows import around, cap_bursts, floored

# Fixed before any data came, so that no border is picked by looking.
EDGES = (50.0, 500.0, 5_000.0, 50_000.0)  # points per hour; band i lies above EDGES[i - 1]


@dataclass(frozen=True, slots=True)
class Reading:
    """One event: what came out (`outcome`) with a window, and under which circumstances."""

    position: int
    event_id: str
    source: str
    time: float  # seconds
    feature: str
    window: int  # points, as reported
    size: int  # points, on the 1-2-5 grid
    band: int | None  # index into the velocity bands; None when the velocity is unknown
    outcome: float  # hours, false alarms per day, or 1 where a run bit on a limit


def snapped(window: int) -> int:
    """Return the size 1, 2 or 5 times a power of ten that is nearest to `window` (>= 1) by ratio."""
    below = floored(window)
    above = min(size for size in around(window) if size >= window)
    return below if window * window <= below * above else above


def band_of(velocity: float | None) -> int | None:
    """Return the band of a velocity in points per hour; a band's upper edge belongs to it."""
    if velocity is None or math.isnan(velocity):
        return None
    return int(np.searchsorted(EDGES, velocity, side="left"))


def read(
    table: pa.Table,
    outcome: str,
    *,
    burst_limit: int,
    memory_cap_mb: float | None = None,
    grid: Callable[[int], int] = snapped,
) -> tuple[list[Reading], int]:
    """Return the readings of a table by position, and how many rows were left aside.

    Left aside: rows without a window or outcome, and what one source says beyond `burst_limit` times in
    one clock hour of event time. A run that took more than `memory_cap_mb` counts as one that timed out.
    """
    rows = sorted(table.to_pylist(), key=lambda row: row["position"])
    usable: list[dict[str, Any]] = []
    for row in rows:
        value, window = row[outcome], row["window_size"]
        if memory_cap_mb is not None and (row["memory_usage_mb"] or 0.0) > memory_cap_mb:
            value = 1.0
        if value is not None and math.isfinite(value) and window and window >= 1:
            usable.append({**row, outcome: value})
    counted, _ = cap_bursts(usable, burst_limit)
    readings = [
        Reading(
            position=row["position"],
            event_id=row["event_id"],
            source=row["source"],
            time=row["time"],
            feature=row["feature"] or "",
            window=int(row["window_size"]),
            size=grid(int(row["window_size"])),
            band=band_of(row.get("data_velocity")),
            outcome=float(row[outcome]),
        )
        for row in counted
    ]
    return readings, len(rows) - len(readings)
