"""The search for the decisions that a manual edit of a module expresses.

A reading is found by proposing and rendering: decisions are a reading if they render to a module with the
normal form of the edited one. So the search may propose anything; what it returns is always verified. It
proposes what people do: set literals, delete rules, change a rule's condition, and add a rule of a form that
exists. Each proposal of a structure must come closer to the edited module than the one before it, and the
number of renderings is bounded.
"""

import itertools
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, get_args

import msgspec

from poet.spec.decisions import Decisions, Rule
from poet.spec.outline import condition_types
from poet.workspace.normal_form import Interner, NormalForm, UnreadableModuleError, literal_key, normal_form
from poet_runtime.errors import PoetError

Rendering = Callable[[Decisions], str]
Path = tuple[str | int, ...]
_Pending = tuple[Path, object, object]  # a literal or an item of it, its old and new value

MOST_RENDERINGS: Final = 400
MOST_STEPS: Final = 3  # structural changes: deleted rules, new rules, changed conditions
_WIDTH: Final = 4  # proposals that the next step starts from
_FIRST_FIELDS: Final = 4  # changes of one field of a condition to which a second change is added
_MOST_VOTES: Final = 4
_MOST_VALUES: Final = 16  # literals of the edited module that are tried as values of a condition
_DERIVED_ID: Final = 55  # letters of the id that another one is derived from
_RULE_ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")
_EXACT: Final = 2**53  # up to here every whole number is a float
_REORDERED_BLOCKS: Final = 4  # parts of the structure that differ if two statements of a block change places
_ABSENT: Final = object()


@dataclass(frozen=True, slots=True)
class Leaf:
    """A place in a rule's condition or parameters, and the value there."""

    rule: str
    field: str
    path: Path
    value: object


class EditSearch:
    """Searches the decisions that render to an edited module.

    Parameters
    ----------
    decisions
        The decisions that the published module was rendered from.
    edited
        The normal form of the edited module.
    render
        Returns the source of decisions.
    interner
        What `edited` was made with.
    """

    def __init__(
        self, decisions: Decisions, edited: NormalForm, render: Rendering, interner: Interner
    ) -> None:
        self._decisions, self._edited = decisions, edited
        self._render, self._interner = render, interner
        self._forms: dict[bytes, NormalForm | None] = {}
        self._refusals: dict[bytes, str] = {}
        self._renderings = 0
        self._published = normal_form(render(decisions), interner)
        self._ids_are_printed, self._new_ids = self._ids_of_the_edit()
        self._new_values = self._values_of_the_edit()
        self._types: dict[str, type | None] = {}
        self.nearest = decisions  # the decisions whose module is most similar to the edited one

    def reading(self) -> Decisions | None:
        """Return the decisions that the edit expresses, with the fewest changed rules, or None."""
        if (found := self._with_one_leaf()) is not None:
            return found
        level = [self._decisions]
        for step in range(MOST_STEPS + 1):
            level = [renamed for each in level for renamed in self._with_other_ids(each)]
            self.nearest = min([self.nearest, *level], key=self._distance)
            found = self._best(reading for each in level for reading in self._with_literals(each))
            if found is not None:
                return found
            if step == MOST_STEPS or self.is_reordered:
                break
            level = self._closer(level)
        return self._with_other_code()

    @property
    def is_reordered(self) -> bool:
        """Return whether the edited module has the code of the nearest decisions in another order."""
        form = self._form(self.nearest)
        if form is None:
            return False
        if form.labels == self._edited.labels:
            ids = {rule.id for rule in self.nearest.active}
            mine, its = (
                [each.value for each in one.literals if each.value in ids] for one in (form, self._edited)
            )
            return mine != its and Counter(mine) == Counter(its)
        has_equal_parts = Counter(form.labels) == Counter(self._edited.labels)
        return has_equal_parts and form.distance(self._edited)[0] <= _REORDERED_BLOCKS

    def refusal(self, index: int) -> tuple[str, str]:
        """Return the rule that a literal of the nearest decisions belongs to, and why it refuses the new one.

        Both are empty if the literal belongs to no rule.
        """
        form = self._form(self.nearest)
        if form is None:
            return "", ""
        old, new = form.literals[index].value, self._edited.literals[index].value
        for leaf, value in self._settings(self.nearest, old, new):
            if index in self._controlled(self.nearest, leaf):
                self._form(changed := with_leaf(self.nearest, leaf, value))
                return leaf.rule, self._refusals.get(_key(changed), "")
        return "", ""

    def refused_deletion(self) -> tuple[str, str]:
        """Return a rule whose id the edited module does not print, and why it cannot be deleted."""
        left = {value for _, value in _labelled(self._edited)}
        printed = {value for _, value in _labelled(self._published)}
        for rule in self._decisions.active:
            if rule.id in printed - left:
                self._form(without := _without(self._decisions, rule.id))
                return rule.id, self._refusals.get(_key(without), "")
        return "", ""

    def _controlled(self, decisions: Decisions, leaf: Leaf) -> list[int]:
        """Return the indices of the literals that a leaf, or an item of it, is printed as."""
        form = self._form(decisions)
        for value in _similar(leaf.value):
            after = self._form(with_leaf(decisions, leaf, value))
            if form is not None and after is not None and after.labels == form.labels:
                return after.differing(form)
        return []

    def _best(self, readings: Iterable[Decisions]) -> Decisions | None:
        """Return the first reading with the fewest changed rules; one changed rule is the fewest possible."""
        best = None
        for reading in readings:
            if best is None or self._changed_rules(reading) < self._changed_rules(best):
                best = reading
            if self._changed_rules(best) == 1:
                break
        return best

    def _form(self, decisions: Decisions) -> NormalForm | None:
        """Return the normal form of decisions; None if they cannot be rendered or the bound is reached."""
        key = _key(decisions)
        if key not in self._forms:
            self._renderings += 1
            if self._renderings > MOST_RENDERINGS:
                return None
            try:
                self._forms[key] = normal_form(self._render(decisions), self._interner)
            except (PoetError, SyntaxError, ValueError, UnreadableModuleError) as error:
                self._forms[key] = None
                self._refusals[key] = str(error)
        return self._forms[key]

    def _distance(self, decisions: Decisions) -> tuple[float, float]:
        form = self._form(decisions)
        return (math.inf, math.inf) if form is None else form.distance(self._edited)

    def _changed_rules(self, decisions: Decisions) -> int:
        before, after = ({rule.id: rule for rule in each.active} for each in (self._decisions, decisions))
        return sum(before.get(name) != after.get(name) for name in before.keys() | after.keys())

    # Literals

    def _with_one_leaf(self) -> Decisions | None:
        """Return the reading that sets a single leaf, whose new value may change the order of rules."""
        mine, its = (Counter(each.key for each in form.literals) for form in (self._published, self._edited))
        gone, new = (
            {each.key: each.value for each in form.literals if each.key in keys}
            for form, keys in ((self._published, mine - its), (self._edited, its - mine))
        )
        if len(gone) * len(new) > _MOST_VALUES:
            return None
        for before, after in itertools.product(gone.values(), new.values()):
            for leaf, value in self._settings(self._decisions, before, after):
                form = self._form(proposal := with_leaf(self._decisions, leaf, value))
                if form is not None and form.is_equal(self._edited):
                    return proposal
        return None

    def _with_literals(self, decisions: Decisions) -> Iterator[Decisions]:
        """Yield the decisions with leaves set so that all literals are those of the edited module."""
        form = self._form(decisions)
        if form is not None and form.labels == self._edited.labels:
            yield from self._set(decisions, form, self._pending(form))

    def _with_other_code(self) -> Decisions | None:
        """Return the decisions with one leaf changed whose new value the compiler writes with other code.

        A factor of 2.5 needs rounding that 2 does not need, and an exponent of 1 is not written. All literals
        but that one must be the same, in the same order.
        """
        if self._published.labels != self._edited.labels:
            return None
        places = self._published.differing(self._edited)
        kept = [each.key for index, each in enumerate(self._edited.literals) if index not in places]
        allowed = kept, [each.key for each in self._edited.literals]
        old, new = self._published.literals[places[0]].value, self._edited.literals[places[0]].value
        for leaf, value in self._settings(self._decisions, old, new):
            form = self._form(proposal := with_leaf(self._decisions, leaf, value))
            is_same = form is not None and [each.key for each in form.literals] in allowed
            if is_same and self._controlled(self._decisions, leaf) == places:
                return proposal
        return None

    def _pending(self, form: NormalForm) -> list[_Pending]:
        places = form.differing(self._edited)
        pairs = ((each, form.literals[each].value, self._edited.literals[each].value) for each in places)
        return [pending for place, old, new in pairs for pending in _items((place,), old, new)]

    def _set(
        self, decisions: Decisions, form: NormalForm | None, pending: list[_Pending]
    ) -> Iterator[Decisions]:
        """Set the first pending literal by each leaf that may control it, then the others.

        Values that only together are valid, such as a minimum and a maximum, are set one after the other
        without rendering in between: `form` is None as long as the decisions are invalid.
        """
        if not pending and form is not None:
            yield decisions
        if not pending or self._renderings >= MOST_RENDERINGS:
            return
        (place, old, new), *rest = pending
        for leaf, value in self._settings(decisions, old, new):
            after = self._form(changed := with_leaf(decisions, leaf, value))
            if after is None or after.labels != self._edited.labels:
                yield from self._set(changed, None, rest)
                continue
            left = self._pending(after)
            if len(left) < len(pending) and place not in (each[0] for each in left):
                yield from self._set(changed, after, left)

    def _settings(self, decisions: Decisions, old: object, new: object) -> Iterator[tuple[Leaf, object]]:
        """Yield the leaves that may control a literal, with the values that they need for the new one.

        A leaf is printed as it is, perhaps in a pair with others; where none is, a number may be printed in
        another unit.
        """
        items = list(_items((), old, new))
        if len(items) == 1:
            _, old, new = items[0]
        printed = [leaf for leaf in leaves(decisions.active) if _is_printed_as(leaf.value, old)]
        for leaf in printed:
            if (value := _as_leaf(leaf.value, new)) is not _ABSENT:
                yield leaf, value
        if not printed and _is_number(old) and _is_number(new) and old:
            for leaf in leaves(decisions.active):
                if _is_number(leaf.value) and leaf.value:
                    yield leaf, _like(leaf.value, leaf.value * (new / old))  # type: ignore[operator]

    # Structure

    def _closer(self, level: Iterable[Decisions]) -> list[Decisions]:
        """Return the proposals that are closer to the edited module than those they were made from."""
        found: dict[bytes, tuple[tuple[float, float], Decisions]] = {}
        for decisions in level:
            before = self._distance(decisions)[0]
            for proposals in self._proposals(decisions):
                closer = [each for each in proposals if self._distance(each)[0] < before]
                for each in closer:
                    found.setdefault(_key(each), (self._distance(each), each))
                if closer:
                    break
        ordered = sorted(found.values(), key=lambda each: each[0])
        return [proposal for _, proposal in ordered[:_WIDTH]]

    def _proposals(self, decisions: Decisions) -> tuple[Iterator[Decisions], ...]:
        """Return the changes of one rule, in groups: first those that the size of the module suggests."""
        form = self._form(decisions)
        if form is None:
            return ()
        touched = [rule for rule in decisions.active if self._is_touched(decisions, rule)]
        deleted = (_without(decisions, rule.id) for rule in touched)
        changed = (proposal for rule in touched for proposal in self._with_other_fields(decisions, rule))
        if len(form.labels) < len(self._edited.labels):
            return self._with_new_rule(decisions), changed, deleted
        if len(form.labels) > len(self._edited.labels):
            return deleted, changed
        return changed, deleted

    def _with_other_fields(self, decisions: Decisions, rule: Rule) -> Iterator[Decisions]:
        yield from self._with_hidden_numbers(decisions, rule)
        yield from self._with_other_condition(decisions, rule)

    def _with_hidden_numbers(self, decisions: Decisions, rule: Rule) -> Iterator[Decisions]:
        """Yield the decisions with another number in a rule's parameters that the code does not print.

        Code may spell a number of votes out, and leave out an exponent of 0 or 1.
        """
        printed = {each.key for each in self._published.literals}
        for leaf in leaves((rule,)):
            if leaf.field != "parameters" or not _is_number(leaf.value):
                continue
            numbers = [each for each in self._new_values if _is_number(each)]
            if type(leaf.value) is int and leaf.value <= _MOST_VOTES:
                numbers += range(1, _MOST_VOTES + 1)
            elif literal_key(leaf.value) in printed:
                continue
            for number in numbers:
                if number != leaf.value:
                    yield with_leaf(decisions, leaf, _like(leaf.value, number))

    def _is_touched(self, decisions: Decisions, rule: Rule) -> bool:
        """Return whether the code of a rule, which is gone without the rule, differs in the edited module."""
        form, without = self._form(decisions), self._form(_without(decisions, rule.id))
        if form is None or without is None:
            return True
        return any((form.content - without.content) & (form.content - self._edited.content))

    def _with_other_condition(self, decisions: Decisions, rule: Rule) -> Iterator[Decisions]:
        """Yield the decisions with one or two fields of a rule's condition changed."""
        first = [_with_rule(decisions, each) for each in self._changed_conditions(rule, rule)]
        yield from first
        first.sort(key=self._distance)
        for each in first[:_FIRST_FIELDS]:
            again = next(other for other in each.rules if other.id == rule.id)
            for other in self._changed_conditions(again, rule):
                yield _with_rule(decisions, other)

    def _changed_conditions(self, rule: Rule, form: Rule) -> Iterator[Rule]:
        """Yield the rule with another value of one field of its condition, as the type of `form` allows."""
        shape = self._condition_type(form)
        if shape is None:
            return
        for info in msgspec.structs.fields(shape):
            values: list[object] = [] if info.required else [_ABSENT]
            values += [*_choices(info.type), *self._new_values]
            for value in values:
                condition = {name: each for name, each in rule.condition.items() if name != info.name}
                if value is not _ABSENT:
                    condition[info.name] = value
                if condition != rule.condition and _is_valid(condition, shape):
                    yield msgspec.structs.replace(rule, condition=condition)

    def _condition_type(self, rule: Rule) -> type[msgspec.Struct] | None:
        """Return the type that the policy reads the condition of a rule as, which may be inactive."""
        if rule.id not in self._types:
            active = msgspec.structs.replace(rule, status="pinned")
            with condition_types() as types, suppress(PoetError):
                self._render(_with_rule(self._decisions, active))
            self._types[rule.id] = types.get(rule.id)
        found = self._types[rule.id]
        return found if found is not None and issubclass(found, msgspec.Struct) else None

    def _with_new_rule(self, decisions: Decisions) -> Iterator[Decisions]:
        """Yield the decisions with one more rule, of the form of a rule that exists."""
        taken = {rule.id for rule in decisions.active}
        for rule in _forms(decisions):
            for name in self._ids_for(rule, taken):
                new = msgspec.structs.replace(
                    rule, id=name, status="pinned", was="", reason="", evidence=None
                )
                others = msgspec.structs.replace(
                    decisions, rules=tuple(each for each in decisions.rules if each.id != name)
                )
                first = [new, *self._changed_conditions(new, rule)]
                proposals = [_with_rule(others, each) for each in first]
                yield from proposals
                ranked = sorted(zip(proposals, first, strict=True), key=lambda pair: self._distance(pair[0]))
                for _, each in ranked[:_FIRST_FIELDS]:
                    for other in self._changed_conditions(each, rule):
                        yield _with_rule(others, other)

    def _with_other_ids(self, decisions: Decisions) -> Iterator[Decisions]:
        """Yield the decisions, and the same with ids of new rules that give the rules another order."""
        yield decisions
        before = {rule.id for rule in self._decisions.active}
        taken = {rule.id for rule in decisions.rules}
        for rule in decisions.active:
            if rule.id in before or rule.id in self._new_ids:
                continue
            for name in (
                *(f"{each[:_DERIVED_ID]}-2" for each in sorted(before)),
                f"a-{rule.id[:_DERIVED_ID]}",
            ):
                if name not in taken:
                    yield _with_rule(_without(decisions, rule.id), msgspec.structs.replace(rule, id=name))

    def _ids_for(self, rule: Rule, taken: set[str]) -> list[str]:
        """Return ids for a new rule of the form of `rule`: those that the edit prints, or a derived one."""
        if self._ids_are_printed:
            return [each for each in self._new_ids if each not in taken]
        derived = (f"{rule.id[:_DERIVED_ID]}-{number}" for number in itertools.count(2))
        return [next(each for each in derived if each not in taken)]

    def _ids_of_the_edit(self) -> tuple[bool, list[str]]:
        """Return whether the code prints ids of rules, and the unknown ids where it would."""
        known = {rule.id for rule in self._decisions.active}
        shown = [(label, value) for label, value in _labelled(self._published) if value in known]
        if len({value for _, value in shown}) * 2 < len(known):
            return False, []  # texts that only happen to equal ids
        printed = {label for label, _ in shown}
        written = [value for label, value in _labelled(self._edited) if label in printed]
        is_id = (isinstance(value, str) and bool(_RULE_ID.fullmatch(value)) for value in written)
        valid = [str(value) for value, is_valid in zip(written, is_id, strict=True) if is_valid]
        return True, [value for value in dict.fromkeys(valid) if value not in known]

    def _values_of_the_edit(self) -> list[object]:
        """Return the values that the edited module has more often, in the forms that fields have."""
        more = Counter(each.key for each in self._edited.literals)
        more.subtract(each.key for each in self._published.literals)
        found: list[object] = []
        for each in self._edited.literals:
            if more[each.key] <= 0 or each.value in self._new_ids:
                continue
            more[each.key] = 0
            if isinstance(each.value, frozenset):
                items = sorted(each.value, key=repr)
                found += [items, *(items if len(items) == 1 else ())]
            else:
                found.append(_listed(each.value))
                found += [[each.value]] if isinstance(each.value, str) else []
        return found[:_MOST_VALUES]


def _labelled(form: NormalForm) -> Iterator[tuple[object, object]]:
    """Yield each literal with the label before it, which says what it is an argument of."""
    for place, each in zip(form.places, form.literals, strict=True):
        if place:
            yield form.labels[place - 1], each.value


def _items(place: Path, old: object, new: object) -> Iterator[_Pending]:
    """Yield a literal with its new value, or the items that differ if it is a tuple of the same length."""
    if isinstance(old, tuple) and isinstance(new, tuple) and len(old) == len(new):
        for index, (one, other) in enumerate(zip(old, new, strict=True)):
            if literal_key(one) != literal_key(other):
                yield from _items((*place, index), one, other)
    else:
        yield place, old, new


def _similar(value: object) -> Iterator[object]:
    """Yield other values of the type of a leaf, of which code may be able to print one."""
    if _is_number(value):
        yield from (value + 1, value - 1, value / 2, value * 0.99)  # type: ignore[operator]
    elif isinstance(value, str):
        yield f"{value}-x"
    elif isinstance(value, list | tuple):
        yield [*value, "x"]
        yield value[:-1]


def _key(decisions: Decisions) -> bytes:
    """Return what decisions with equal modules share."""
    return msgspec.json.encode(
        [(each.id, each.kind, each.condition, each.parameters) for each in decisions.active]
    )


def _forms(decisions: Decisions) -> Iterator[Rule]:
    """Yield one rule of each form: of a kind, with equal fields and equal texts in its parameters."""
    seen: set[bytes] = set()
    for rule in sorted(decisions.rules, key=lambda each: not each.is_active):
        form = msgspec.json.encode([rule.kind, sorted(rule.condition), _without_numbers(rule.parameters)])
        if form not in seen and rule.status != "vetoed":
            seen.add(form)
            yield rule


def _without_numbers(document: object) -> object:
    if isinstance(document, Mapping):
        return {key: _without_numbers(value) for key, value in sorted(document.items())}
    if isinstance(document, list | tuple):
        return [_without_numbers(value) for value in document]
    return 0 if _is_number(document) else document


def _without(decisions: Decisions, name: str) -> Decisions:
    kept = tuple(rule for rule in decisions.rules if rule.id != name)
    return msgspec.structs.replace(decisions, rules=kept)


def _with_rule(decisions: Decisions, rule: Rule) -> Decisions:
    rules = {each.id: each for each in decisions.rules} | {rule.id: rule}
    return msgspec.structs.replace(decisions, rules=tuple(sorted(rules.values(), key=lambda each: each.id)))


def _choices(annotation: object) -> Iterator[object]:
    """Yield what a field's type names: the choices of a `Literal`, and both values of a `bool`."""
    if annotation is bool:
        yield from (False, True)
    for argument in get_args(annotation):
        if isinstance(argument, str):
            yield argument
        else:
            yield from _choices(argument)


def _is_valid(condition: Mapping[str, object], shape: type) -> bool:
    try:
        msgspec.convert(condition, shape)
    except (msgspec.ValidationError, UnicodeError):
        return False
    return True


def leaves(rules: Iterable[Rule]) -> Iterator[Leaf]:
    """Yield all places of the rules' conditions and parameters, lists as well as their items."""
    for rule in rules:
        for field in ("condition", "parameters"):
            for path, value in walk(getattr(rule, field)):
                yield Leaf(rule.id, field, path, value)


def walk(document: Any, path: Path = ()) -> Iterator[tuple[Path, object]]:
    """Yield all places below a document and the values there, outer ones first."""
    if path:
        yield path, document
    if isinstance(document, Mapping):
        for key, value in document.items():
            yield from walk(value, (*path, str(key)))
    elif isinstance(document, list | tuple):
        for index, value in enumerate(document):
            yield from walk(value, (*path, index))


def with_leaf(decisions: Decisions, leaf: Leaf, new: object) -> Decisions:
    """Return the decisions with another value of a leaf."""
    rules = tuple(
        msgspec.structs.replace(rule, **{leaf.field: _put(getattr(rule, leaf.field), leaf.path, new)})
        if rule.id == leaf.rule
        else rule
        for rule in decisions.rules
    )
    return msgspec.structs.replace(decisions, rules=rules)


def _put(document: Any, path: Path, new: object) -> Any:
    if not path:
        return new
    if isinstance(document, Mapping):
        return {
            key: _put(value, path[1:], new) if key == path[0] else value for key, value in document.items()
        }
    return [_put(value, path[1:], new) if index == path[0] else value for index, value in enumerate(document)]


def _is_printed_as(leaf: object, literal: object) -> bool:
    """Return whether code with this literal may print a leaf: a set may be a list or a single text."""
    if isinstance(literal, frozenset):
        if isinstance(leaf, str):
            return literal == {leaf}
        return isinstance(leaf, list | tuple) and literal_key(frozenset(map(_hashable, leaf))) == literal_key(
            literal
        )
    return not isinstance(leaf, Mapping) and literal_key(leaf) == literal_key(literal)


def _hashable(value: object) -> object:
    return (
        tuple(map(_hashable, value))
        if isinstance(value, list)
        else repr(value)
        if isinstance(value, dict)
        else value
    )


def _as_leaf(before: object, literal: object) -> object:
    """Return the value that a leaf needs for a literal, in the order and type that it had; or `_ABSENT`."""
    if isinstance(literal, frozenset):
        if isinstance(before, str):
            return next(iter(literal)) if len(literal) == 1 else _ABSENT
        return _ordered(before, literal)
    return _like(before, _listed(literal))


def _ordered(before: object, values: frozenset[object]) -> list[object]:
    """Return the values in the order that a list had; new ones come last, or in order if it was sorted."""
    former = list(before) if isinstance(before, list | tuple) else []
    new = sorted(values, key=repr)
    if former == sorted(former, key=repr):
        return new
    return [*(each for each in former if each in values), *(each for each in new if each not in former)]


def _like(before: object, number: object) -> object:
    """Return an equal number of the type that it had before, where that is possible."""
    if type(before) is float and type(number) is int and abs(number) <= _EXACT:
        return float(number)
    if type(before) is int and type(number) is float and number.is_integer():
        return int(number)
    return number


def _listed(value: object) -> object:
    return [_listed(each) for each in value] if isinstance(value, tuple) else value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
