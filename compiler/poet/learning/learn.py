"""Entry points of learning: run a policy's learner, replay and trial."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from poet.build.compare import Flips
from poet.learning.configuration import LearnConfiguration
from poet.spec import PolicySpec
from poet.spec.decisions import Decisions
from poet.stats import epoch_alpha
from poet_runtime.errors import LearnError, PoetError

if TYPE_CHECKING:
    from poet.summaries import Summaries


TrialDecision = Literal["promote", "roll back", "inconclusive"]
Learner = Callable[["Summaries", Decisions, LearnConfiguration], Decisions]
Replayer = Callable[["Summaries", Decisions, Decisions, LearnConfiguration], Flips]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialOutcome:
    """The state of a trial; `e_value_threshold` is the threshold for the evidence of either outcome.

    `saved` is the cost that the canary saves on labeled executions where the versions differ, in the
    workspace's cost unit.
    """

    outcome: TrialDecision
    for_promotion: float
    for_rollback: float
    e_value_threshold: float
    answered_by_canary: int  # executions since the trial began
    answered_by_champion: int
    judged: int
    differ: int
    saved: float


def learn(
    spec: PolicySpec, summaries: "Summaries", champion: Decisions, configuration: LearnConfiguration
) -> Decisions:
    """Return the decisions of a policy's learner.

    The learner uses the costs of the configuration; `poet.learning.costs.with_estimated_costs` replaces them
    by estimates from feedback. The version number increases only if the rules behave differently from the
    champion's. A policy without a learner keeps its rules, and a note records that.

    Raises
    ------
    LearnError
        If the policy's learner cannot be imported, or fails.
    """
    if spec.learner is None:
        return msgspec.structs.replace(champion, learned=False, notes=("this policy has no learner",))
    learner: Learner = imported(spec, spec.learner)
    risk = configuration.risk * epoch_alpha(summaries.epoch_index)
    try:
        decided = learner(summaries, champion, msgspec.structs.replace(configuration, risk=risk))
    except PoetError:
        raise
    except Exception as error:
        raise LearnError(f"{spec.name}: the learner {spec.learner} failed: {error!r}; fix it") from error
    decided = msgspec.structs.replace(decided, configuration=configuration.as_document())
    is_new = not decided.behaves_as(champion)
    return msgspec.structs.replace(
        decided,
        version=champion.version + 1 if is_new else champion.version,
        revises=champion.version if is_new else champion.revises,
    )


def replay(
    spec: PolicySpec,
    summaries: "Summaries",
    champion: Decisions,
    candidate: Decisions,
    configuration: LearnConfiguration,
) -> Flips | None:
    """Return where a candidate's answers differ from the champion's; None for a policy without a replay.

    Raises
    ------
    LearnError
        If the policy's replay cannot be imported.
    """
    if spec.replay is None:
        return None
    replayed: Replayer = imported(spec, spec.replay)
    return replayed(summaries, champion, candidate, configuration)


def trial(
    spec: PolicySpec,
    summaries: "Summaries",
    champion: Decisions,
    canary: Decisions,
    *,
    since: float,
    configuration: LearnConfiguration,
) -> TrialOutcome | None:
    """Return how a canary compares with the champion on labeled executions; None without a trial.

    Raises
    ------
    LearnError
        If the policy's trial cannot be imported.
    """
    if spec.trial is None:
        return None
    risk = configuration.risk * epoch_alpha(summaries.epoch_index)
    outcome: TrialOutcome = imported(spec, spec.trial)(
        summaries,
        champion,
        canary,
        since=since,
        configuration=msgspec.structs.replace(configuration, risk=risk),
    )
    return outcome


def imported(spec: PolicySpec, point: str) -> Any:
    """Return the object that a policy refers to as "package.module:function".

    Raises
    ------
    LearnError
        If it cannot be imported.
    """
    module, _, name = point.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise LearnError(f"{spec.name}: {point!r} cannot be imported: {error}") from error
