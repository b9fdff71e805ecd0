"""Learner configuration of a workspace: risk, costs, bounds, pins and vetoes."""

import msgspec


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """Costs in one unit that the workspace chooses."""

    false_alarm: float = 1.0
    miss: float = 3.0
    delay_hour: float = 1.0  # one hour of undetected drift
    run: float = 0.001  # one execution of a monitor
    unit_usd: float = 100.0  # dollars per unit, to convert amounts reported in feedback
    hour_usd: float = 50.0  # dollars per hour of investigation
    # Feedback may adjust a configured cost by at most this factor, up or down; 1 disables the adjustment.
    max_adjustment_factor: float = 2.0

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if not getattr(self, name) > 0.0:
                raise ValueError(f"costs.{name} must be positive, got {getattr(self, name)}")
        if self.max_adjustment_factor < 1.0:
            raise ValueError(
                f"costs.max_adjustment_factor must be at least 1, got {self.max_adjustment_factor}"
            )


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """Limits on learned values."""

    window_minimum: int = 100  # points
    window_cap: int = 50_000  # points
    memory_cap_mb: float | None = None  # a run that exceeds it counts as a timeout
    irrelevant_below: float = 0.2  # of the cost of other features' drifts: a feature below is irrelevant


class LearnConfiguration(msgspec.Struct, frozen=True, kw_only=True):
    """The part of ``poet.toml`` that learners read; the defaults are those of a new workspace."""

    risk: float = 0.05  # probability of ever adopting a rule on noise, per policy
    audit_rate: float = 0.02
    half_life_days: float = 90.0  # in event time
    learning_threshold: int = 10  # events between two compiles
    burst_limit: int = 50  # events of one source that count within one hour of event time
    costs: Costs = Costs()
    bounds: Bounds = Bounds()
    pins: dict[str, tuple[str, ...]] = {}  # policy: ids of rules that must not change
    vetoes: dict[str, tuple[str, ...]] = {}  # policy: ids of rules that must not be active
    anchors: dict[str, tuple[str, ...]] = {}  # policy: ids of executions whose label every version must match

    def __post_init__(self) -> None:
        if not 0.0 < self.risk < 1.0:
            raise ValueError(f"risk must lie strictly between 0 and 1, got {self.risk}")
        if not 0.0 <= self.audit_rate <= 1.0:
            raise ValueError(f"audit_rate must lie in [0, 1], got {self.audit_rate}")
        if not self.half_life_days > 0.0:
            raise ValueError(f"half_life_days must be positive, got {self.half_life_days}")
        if self.burst_limit < 1 or self.learning_threshold < 1:
            raise ValueError("burst_limit and learning_threshold must be at least 1")
        if not 1 <= self.bounds.window_minimum <= self.bounds.window_cap:
            raise ValueError(
                f"window_minimum must lie in [1, window_cap], got {self.bounds.window_minimum} "
                f"and {self.bounds.window_cap}"
            )

    def is_pinned(self, policy: str, rule: str) -> bool:
        """Return whether a person pinned the rule."""
        return rule in self.pins.get(policy, ())

    def is_vetoed(self, policy: str, rule: str) -> bool:
        """Return whether a person vetoed the rule."""
        return rule in self.vetoes.get(policy, ())

    def as_document(self) -> dict[str, object]:
        """Return a plain dictionary with sorted keys, for `Decisions.configuration`."""
        compact = msgspec.json.encode(self, order="sorted")
        return msgspec.json.decode(compact, type=dict[str, object])
