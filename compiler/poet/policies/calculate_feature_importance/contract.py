"""The contract of `calculate_feature_importance`: finite, near its base, invariant to the feature order."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType, SimpleNamespace
from typing import Any, Final

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from poet.build.contract import (
    Contract,
    ContractViolation,
    Policy,
    WorkloadCase,
    near_miss_strings,
    require,
    texts,
)
from poet.policies.calculate_feature_importance.policy import Base, Features, Setting, Times, Together
from poet.spec.decisions import Decisions, Rule

BASE_VALUES: Final = (None, 1.0, 3.0, 3, 0.0)
MANY: Final = 100_000  # other features
BASES: Final = st.floats(min_value=1e-6, max_value=1e6)


def _names(policy: Policy) -> st.SearchStrategy[str]:
    return texts(policy, "price", "discount", "user_location")


def _contexts(policy: Policy) -> st.SearchStrategy[dict[str, Any]]:
    others = texts(policy, "day_of_week", "price", "x")
    return st.fixed_dictionaries(
        {},
        optional={
            "time_of_year": texts(policy, "black_friday", "summer"),
            "other_features": st.lists(others, max_size=4),
            "segment": texts(policy) | st.integers() | st.none(),
        },
    )


def stays_within_a_factor_of_ten_of_its_base(policy: Policy) -> Callable[[], None]:
    """Check that the importance is finite, and between a tenth of the base and ten times the base."""

    @given(_names(policy), BASES, _contexts(policy))
    def test(name: str, base: float, context: dict[str, Any]) -> None:
        importance = policy(name, context | {"base_importance": base})
        require(
            type(importance) is float and math.isfinite(importance), f"{importance!r} is not a finite float"
        )
        require(0.1 * base <= importance <= 10.0 * base, f"{importance} is too far from its base {base}")

    return test


def returns_the_base_for_unknown_features(policy: Policy) -> Callable[[], None]:
    """Check that an unknown feature in an unknown context gets its base importance, 1 by default."""

    @given(texts(policy).map(lambda text: f"never heard of {text}"), BASES)
    def test(name: str, base: float) -> None:
        require(policy(name, {"base_importance": base}) == base, "an unknown feature has another importance")
        require(policy(name, {}) == 1.0, "without a base, the importance is not 1")

    return test


def ignores_the_order_of_other_features(policy: Policy) -> Callable[[], None]:
    """Check that the order of `other_features` does not matter, and that the answer is reproducible."""

    @given(
        _names(policy), _contexts(policy), st.lists(texts(policy, "day_of_week", "price", "x"), max_size=5)
    )
    def test(name: str, context: dict[str, Any], others: list[str]) -> None:
        here = policy(name, context | {"other_features": others})
        there = policy(name, context | {"other_features": others[::-1]})
        require(here == there, f"the answer depends on the order of other features: {here} or {there}")

    return test


def treats_objects_like_mappings(policy: Policy) -> Callable[[], None]:
    """Check that an object with attributes gets the same answer as a mapping."""

    @given(_names(policy), _contexts(policy))
    def test(name: str, context: dict[str, Any]) -> None:
        here, there = policy(name, context), policy(name, SimpleNamespace(**context))
        require(here == there, f"a mapping returns {here}, an object {there}")

    return test


def follows_its_decisions(policy: Policy, decisions: Decisions | None) -> Callable[[], None]:
    """Check answers against the decisions for all constants of the module, not only for those declared."""

    @given(_names(policy), _contexts(policy))
    def test(name: str, context: dict[str, Any]) -> None:
        if decisions is None:
            return
        found, expected = policy(name, context), _predicted(decisions, name, {"other_features": ()} | context)
        require(math.isclose(found, expected, rel_tol=1e-12), f"{found}, expected {expected}")

    return test


def rejects_a_base_that_is_not_a_number(policy: Policy) -> Callable[[], None]:
    """Check that a base that is not a number raises: it is the caller's error and must not be hidden."""

    @given(_names(policy), st.sampled_from(("a lot", [1.0], {}, object())))
    def test(name: str, wrong: Any) -> None:
        try:
            importance = policy(name, {"base_importance": wrong})
        except (TypeError, ValueError):
            return
        raise ContractViolation(f"it accepts {wrong!r} as a base and returns {importance!r}")

    return test


def handles_many_other_features_within_the_time_limit(policy: Policy) -> Callable[[], None]:
    """Check that very many other features are answered within the time limit of one call."""

    @given(st.just([f"f{row}" for row in range(MANY)]))
    def test(others: list[str]) -> None:
        require(policy("never heard of", {"other_features": others}) == 1.0, f"{MANY} other features decide")

    return test


def boundary_table(module: ModuleType, decisions: Decisions) -> int:
    """Check every feature of the decisions, inside and outside of every setting of the decisions.

    The table includes near misses of names and settings, and passes mappings, objects and None. Return the
    number of rows.
    """
    count = 0
    for count, (name, context) in enumerate(_boundary_inputs(decisions), start=1):  # noqa: B007 -- the last one is given
        for given_as in (context, SimpleNamespace(**context), *([] if context else [None])):
            found = module.calculate_feature_importance(name, given_as)
            expected = _predicted(decisions, name, context)
            alike = type(found) is float and math.isclose(found, expected, rel_tol=1e-12)
            require(alike, f"({name!r}, {given_as}) returns {found!r}, expected {expected!r}")
    return count


def _boundary_inputs(decisions: Decisions) -> Iterator[tuple[str, dict[str, Any]]]:
    features, settings, others = _names_in_rules(decisions)
    companies = list(_companies([*others, *features]))
    everywhere = [{}, *({key: value} for key, value in settings)]
    yield from itertools.product(["no such feature", "", *features, *others], [{}])
    for name, setting, company, base in itertools.product(
        ["no such feature", "", *features, *others], everywhere, companies, BASE_VALUES
    ):
        given_base = {} if base is None else {"base_importance": base}
        yield name, {"other_features": company, **setting, **given_base}
    for name, setting, company in itertools.product(
        near_miss_strings(features), everywhere, ((), tuple(others))
    ):
        yield name, {"other_features": company, **setting}


def _companies(known: Sequence[str]) -> Iterator[Any]:
    """Yield other features: none, each, all, in any order and container, and near misses."""
    yield from ((), None, ("no such feature",), near_miss_strings(known))
    for each in known:
        yield from (each, [each], [each, "one", "another"], ["one", "another", each])
    yield from (tuple(known), frozenset(known), f"{' '.join(known)} and more")


def _names_in_rules(decisions: Decisions) -> tuple[list[str], list[tuple[str, str]], list[str]]:
    """Return the features, the settings (matching and not) and the other features of all rules."""
    features: set[str] = set()
    settings: set[tuple[str, str]] = set()
    others: set[str] = set()
    for rule in decisions.active:
        if rule.kind == "feature":
            features |= set(msgspec.convert(rule.condition, Features).features)
        elif rule.kind == "context":
            setting = msgspec.convert(rule.condition, Setting)
            features |= set(setting.features)
            values = (setting.value, f"not {setting.value}", *near_miss_strings([setting.value]))
            settings |= {(setting.key, value) for value in values}
        elif rule.kind == "interaction":
            pair = msgspec.convert(rule.condition, Together)
            features.add(pair.feature)
            others.add(pair.other)
    return sorted(features), sorted(settings), sorted(others)


def _predicted(decisions: Decisions, name: str, context: dict[str, Any]) -> float:
    start = next(rule for rule in decisions.active if rule.kind == "base")
    base = float(context.get("base_importance", msgspec.convert(start.parameters, Base).importance))
    importance = base
    for rule in decisions.active:
        if rule.kind != "base" and _holds(rule, name, context):
            importance *= msgspec.convert(rule.parameters, Times).multiplier
    return min(max(importance, 0.1 * base), 10.0 * base)


def _holds(rule: Rule, name: str, context: dict[str, Any]) -> bool:
    if rule.kind == "feature":
        return name in msgspec.convert(rule.condition, Features).features
    if rule.kind == "context":
        setting = msgspec.convert(rule.condition, Setting)
        return name in setting.features and context.get(setting.key) == setting.value
    pair = msgspec.convert(rule.condition, Together)
    company = context.get("other_features") or ()
    return name == pair.feature and pair.other in ([company] if isinstance(company, str) else company)


def _many_other_features() -> tuple[tuple[Any, ...], dict[str, Any]]:
    return ("price", {"other_features": [f"f{k}" for k in range(20_000)]}), {}


CONTRACT: Final = Contract(
    properties=(
        stays_within_a_factor_of_ten_of_its_base,
        returns_the_base_for_unknown_features,
        ignores_the_order_of_other_features,
        treats_objects_like_mappings,
        follows_its_decisions,
        rejects_a_base_that_is_not_a_number,
        handles_many_other_features_within_the_time_limit,
    ),
    boundary_table=boundary_table,
    former_names={
        "does_what_its_decisions_say": "follows_its_decisions",
        "reads_objects_like_mappings": "treats_objects_like_mappings",
        "stays_near_its_base": "stays_within_a_factor_of_ten_of_its_base",
        "gives_the_base_of_what_it_does_not_know": "returns_the_base_for_unknown_features",
        "forgets_the_order_of_other_features": "ignores_the_order_of_other_features",
        "refuses_a_base_that_is_no_number": "rejects_a_base_that_is_not_a_number",
        "answers_in_time_in_a_large_company": "handles_many_other_features_within_the_time_limit",
    },
    signature="(feature_name, context)",
    workloads=(WorkloadCase("many other features", _many_other_features),),
)
