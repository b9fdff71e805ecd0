"""What candidates would have said: of judged executions one by one, of all others in numbers.

Between two verdicts on a scope nothing is found out about it, so the silences of that time are one bet
(`poet.learn.detect_drift._tournament`), and counts are all it needs.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from poet.learn.detect_drift._alike import Alike
from poet.learn.detect_drift._steps import Role, Steps

Counts = NDArray[np.int64]
Answers = NDArray[np.bool_]
Firing = Callable[[NDArray[np.int64]], Answers]  # rows of executions → whether each candidate alerts, (n, K)


class _Scope(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def members(self) -> Answers: ...
    @property
    def since(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Judged:
    """What K candidates and the champion say of the executions that were judged."""

    steps: Steps
    row_of: NDArray[np.int64]  # by execution: its row in `answers`
    answers: Answers  # (judged executions, K)
    champion_answers: Answers  # by execution

    def fires(self, step: int) -> Answers:
        """Which candidates alert at a step."""
        found: Answers = self.answers[self.row_of[self.steps.execution[step]]]
        return found

    def champion(self, step: int) -> bool:
        """Whether the champion alerts at a step."""
        return bool(self.champion_answers[self.steps.execution[step]])

    def of(self, steps: Steps) -> "Judged":
        """Return the same for other steps of these executions."""
        return Judged(steps, self.row_of, self.answers, self.champion_answers)


def judged_executions(runs: Sequence[Steps], firing: Firing, champion: Answers) -> Judged:
    """Let every candidate answer every execution that is judged in one of the runs; the first is kept."""
    rows = np.unique(np.concatenate([steps.execution[steps.roles != Role.SILENT] for steps in runs]))
    row_of = np.full(champion.size, -1)
    row_of[rows] = np.arange(rows.size)
    return Judged(runs[0], row_of, np.ascontiguousarray(firing(rows)), champion)


@dataclass(frozen=True, slots=True)
class Counted:
    """Silences in numbers: how many, on how many the champion would alert, and each of K candidates."""

    steps: int
    alerts: int  # of the champion
    alone: Counts  # alerts of a candidate where the champion is silent, shape (K,)
    beside: Counts  # alerts of a candidate where the champion alerts too, shape (K,)


class _Segments:
    """Counts of one scope between the log positions of its verdicts, summed from the first on."""

    def __init__(
        self, bounds: Counts, positions: Counts, answers: Sequence[Alike], inside: Answers, champion: Answers
    ) -> None:
        self._last = bounds.size + 1
        at = np.searchsorted(bounds, positions)
        self._steps = self._summed(np.bincount(at, minlength=self._last))
        self._alerts = self._summed(np.bincount(at[champion], minlength=self._last))
        every = self._counted(at, answers, inside)
        self._beside = np.zeros_like(every)
        if champion.any():
            both = inside.copy()
            both[inside] = champion
            self._beside = self._counted(at[champion], answers, both)
        self._alone = every - self._beside

    def _counted(self, at: Counts, answers: Sequence[Alike], inside: Answers) -> Counts:
        """Count alerts by segment and sum up, shape (segments + 1, K)."""
        found = np.zeros((self._last + 1, sum(len(alike.columns) for alike in answers)), np.int64)
        for alike in answers:
            bins = len(alike.answers)
            filled = np.bincount(at * bins + alike.bins[inside], minlength=self._last * bins)
            found[1:, alike.columns] = filled.reshape(self._last, bins) @ alike.answers
        return np.cumsum(found, axis=0, out=found)

    @staticmethod
    def _summed(counts: Counts) -> Counts:
        return np.concatenate([[0], np.cumsum(counts)])

    def between(self, first: int, last: int) -> Counted:
        """Add the segments from `first` up to, not including, `last`."""
        return Counted(
            int(self._steps[last] - self._steps[first]),
            int(self._alerts[last] - self._alerts[first]),
            self._alone[last] - self._alone[first],
            self._beside[last] - self._beside[first],
        )


@dataclass(frozen=True, slots=True)
class Silences:
    """Silences by scope, in segments that end where a verdict speaks of the scope."""

    bounds: dict[str, Counts]  # log positions of verdicts, ascending
    every: dict[str, _Segments]
    staked: dict[str, _Segments]  # what came after the scope's champion had been learned

    def before(self, scope: str, position: int) -> int:
        """Return the segments that end at or before a verdict's position."""
        return int(np.searchsorted(self.bounds[scope], position)) + 1

    def last(self, scope: str) -> int:
        """Return all segments of a scope."""
        return int(self.bounds[scope].size) + 1

    def between(self, scope: str, first: int, last: int) -> tuple[Counted, Counted]:
        """Return all silences in these segments, and those that are bet on."""
        every = self.every[scope].between(first, last)
        staked = self.staked[scope]
        return every, every if staked is self.every[scope] else staked.between(first, last)


def count_silences(
    runs: Sequence[tuple[Steps, Iterable[_Scope]]],
    answers: Callable[[NDArray[np.int64]], Sequence[Alike]],
    champion: Answers,
) -> Silences:
    """Count silences between the verdicts of any of the runs, which have the same silences and scopes.

    Parameters
    ----------
    runs
        Steps, each with the scopes in terms of these steps.
    answers
        Gives what candidates say of executions, by their rows; see `poet.learn.detect_drift._alike`.
    champion
        Whether the champion alerts, by execution.
    """
    steps, scopes = runs[0]
    silent = np.flatnonzero(steps.roles == Role.SILENT)
    rows, positions = steps.execution[silent], steps.positions[silent]
    found_answers, alerts = answers(rows), champion[rows]
    bounds: dict[str, list[Counts]] = {}
    for run, in_run in runs:
        for scope in in_run:
            judged = scope.members & (run.roles != Role.SILENT)
            bounds.setdefault(scope.name, []).append(run.positions[judged])
    found = Silences({name: np.unique(np.concatenate(each)) for name, each in bounds.items()}, {}, {})

    def segments(scope: _Scope, inside: Answers) -> _Segments:
        return _Segments(found.bounds[scope.name], positions[inside], found_answers, inside, alerts[inside])

    for scope in scopes:
        inside = scope.members[silent]
        late = inside & (positions > scope.since)
        found.every[scope.name] = segments(scope, inside)
        is_same = int(late.sum()) == int(inside.sum())
        found.staked[scope.name] = found.every[scope.name] if is_same else segments(scope, late)
    return found
