"""Copy the series that `poet demo` monitors into the package: only series that may be shipped, with sources.

Run it from the repository, with the collection next to the repository:
``python benchmarks/build_demo_data.py``.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

COLLECTION = Path(__file__).resolve().parents[2] / "shared" / "data"
TARGET = Path(__file__).resolve().parents[1] / "compiler" / "poet" / "cli" / "demo_data"
# Two of the eleven long series: more would break the size limit of the package.
LEFT_OUT = {
    "aiops/43115f2a",
    "aiops/55f8b8b8",
    "aiops/57051487",
    "aiops/6d1114ae",
    "aiops/7103fa0f",
    "aiops/8723f0fb",
    "aiops/9c639a46",
    "aiops/a07ac296",
    "aiops/ba5f3328",
}
DIGITS = 6  # significant digits: sensors and counters have fewer
LIMIT_BYTES = 2_000_000


def significant(values: np.ndarray) -> np.ndarray:
    """Round to `DIGITS` significant digits, as float32."""
    return np.array([float(f"{value:.{DIGITS}g}") for value in values], np.float32)


def main() -> None:
    """Write series.parquet, cases.json and SOURCES.md."""
    sys.path.insert(0, str(COLLECTION))
    import load  # noqa: PLC0415 -- lies outside the repository

    root = str(COLLECTION / "dev")
    index = load.load_index(root)
    cases: list[dict[str, Any]] = []
    for case in load.iter_cases(root, feature_kind="numeric"):
        meta = index[case.context["series"]]
        if (
            not meta["shippable"]
            or meta["id"] in LEFT_OUT
            or (meta["family"] == "climate" and "noaa" in meta["id"])
        ):
            continue
        context = case.context
        cases.append(
            {
                "series": meta["id"],
                "group": meta["group"],
                "is_drift": case.label,
                "kind": context["kind"],
                "reference": [context["ref_start"], context["ref_end"]],
                "current": [context["cur_start"], context["cur_end"]],
                "sampling_s": meta["sampling_s"],
                "period_s": meta["period"] * meta["sampling_s"] if meta["seasonal"] else 0,
            }
        )
    names = sorted({case["series"] for case in cases})
    TARGET.mkdir(parents=True, exist_ok=True)
    columns: dict[str, list[Any]] = {"series": [], "value": [], "is_labelled": []}
    for name in names:
        values, labels = load.load_family(root, index[name]["family"])[name]
        columns["series"].append(np.full(len(values), name, dtype=object))
        columns["value"].append(significant(values.astype(float)))
        columns["is_labelled"].append(labels == 1)
    table = pa.table(
        {
            "series": pa.array(np.concatenate(columns["series"])).dictionary_encode(),
            "value": np.concatenate(columns["value"]),
            "is_labelled": np.concatenate(columns["is_labelled"]),
        }
    )
    pq.write_table(
        table,
        TARGET / "series.parquet",
        compression="zstd",
        compression_level=19,
        use_dictionary=["series"],
        row_group_size=1 << 20,
    )
    lines = ",\n".join(json.dumps(case, sort_keys=True) for case in cases)
    (TARGET / "cases.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    sources = sorted({(index[name]["source"], index[name]["licence"]) for name in names})
    rows = []
    for source, licence in sources:
        own = [name for name in names if (index[name]["source"], index[name]["licence"]) == (source, licence)]
        rows.append(f"| {source} | {licence} | {', '.join(own)} |")
    (TARGET / "SOURCES.md").write_text(
        "# Where the demo's series come from\n\n"
        f"Values are rounded to {DIGITS} significant digits; nothing else was changed. `is_labelled` marks\n"
        "points inside an interval that operators or annotators labelled.\n\n"
        "| source | licence | series |\n| --- | --- | --- |\n" + "\n".join(rows) + "\n",
        encoding="utf-8",
    )
    size = sum(path.stat().st_size for path in TARGET.iterdir())
    print(f"{len(names)} series, {table.num_rows} points, {len(cases)} cases, {size} bytes")
    assert size <= LIMIT_BYTES, size


if __name__ == "__main__":
    main()
