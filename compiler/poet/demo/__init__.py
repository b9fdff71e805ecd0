"""The main job on real data: a monitor that cries wolf learns from the answers to its alerts."""

from poet.demo._data import Case, load_cases
from poet.demo._run import Demo, Score, run_demo, split_cases

__all__ = ["Case", "Demo", "Score", "load_cases", "run_demo", "split_cases"]
