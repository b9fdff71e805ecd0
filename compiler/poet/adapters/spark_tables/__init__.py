"""Policies on Spark data: every group and feature answered where the rows are, without pandas.

`pip install 'poet-policy-compiler[spark]'`; the workers need the package as well. A version of a policy
reaches them as Python sends functions: a workspace's `policy("detect_drift")` through a folder that they
share.
"""

from poet.adapters.spark_tables._detect import detect_drift_table
from poet.adapters.spark_tables._record import record
from poet.adapters.spark_tables._score import score_table
from poet.adapters.spark_tables._sketch import sketch_table

__all__ = ["detect_drift_table", "record", "score_table", "sketch_table"]
