"""`poet.toml`: the configuration of a workspace."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from poet.learning.configuration import Bounds, Costs, LearnConfiguration
from poet_runtime import former_names
from poet_runtime.errors import WorkspaceError


class Learning(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much evidence a change needs, and how long evidence lasts."""

    risk: float = 0.05
    audit_rate: float = 0.02
    half_life_days: float = 90.0
    learning_threshold: int = 10
    burst_limit: int = 50


class Store(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The address of the feedback log and the behavior of its buffer."""

    address: str = ""  # the workspace's own folder
    capacity: Annotated[int, Meta(ge=1)] = 100_000
    on_full: Literal["block", "refuse", "drop"] = "block"

    def __repr__(self) -> str:
        """Return the fields without the address, which may contain a password."""
        return f"Store(address=…, capacity={self.capacity}, on_full={self.on_full!r})"


EngineName = Literal["duckdb", "spark"]


class Engine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The engine that summarizes the log; results do not depend on it."""

    name: EngineName = "duckdb"
    master: str = "local[*]"  # of Spark


class _Costs(Costs, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class _Bounds(Bounds, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class _Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    start: str = "calibrated"
    source: str = "poet"
    costs: _Costs = _Costs()
    learning: Learning = Learning()
    bounds: _Bounds = _Bounds()
    store: Store = Store()
    engine: Engine = Engine()
    pins: dict[str, tuple[str, ...]] = {}
    vetoes: dict[str, tuple[str, ...]] = {}
    anchors: dict[str, tuple[str, ...]] = {}


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """A workspace's configuration with defaults filled in."""

    start: str
    source: str  # the `source` of events without one
    learn: LearnConfiguration
    store: Store = Store()
    engine: Engine = Engine()


def read_configuration(path: Path) -> Configuration:
    """Read `poet.toml`.

    Raises
    ------
    WorkspaceError
        The file is missing, is not TOML, or contains an unknown setting.
    """
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
        if isinstance(costs := settings.get("costs"), dict):
            settings["costs"] = former_names.cost_names(costs)
        document = msgspec.convert(settings, _Document)
        learning = msgspec.structs.asdict(document.learning)
        learn = LearnConfiguration(
            **learning,
            costs=document.costs,
            bounds=document.bounds,
            pins=document.pins,
            vetoes=document.vetoes,
            anchors=document.anchors,
        )
    except FileNotFoundError as error:
        raise WorkspaceError(
            f"no {path.name} in {path.parent}; run `poet init {path.parent}` first"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, ValueError) as error:
        raise WorkspaceError(f"{path}: {error}; correct the file and run the command again") from error
    return Configuration(
        start=document.start,
        source=document.source,
        learn=learn,
        store=document.store,
        engine=document.engine,
    )


def initial_text(*, start: str, source: str = "poet") -> str:
    """Return the `poet.toml` of a new workspace with every default written out."""
    return f"""\
# What version 1 of detect_drift is: calibrated, ks, psi, wasserstein, evidently or nannyml.
start = "{start}"
# The source of events without one.
source = "{source}"

# Costs in one unit of your choice: of a false alarm, a miss, an hour in which a drift was not detected
# (delay_hour) and one execution (run). Feedback that reports dollars or hours adjusts a cost, converted
# with unit_usd and hour_usd, by at most a factor of `max_adjustment_factor` (1: never).
[costs]
false_alarm = 1.0
miss = 3.0
delay_hour = 1.0
run = 0.001
unit_usd = 100.0
hour_usd = 50.0
max_adjustment_factor = 2.0

[learning]
risk = 0.05             # probability of ever acting on noise, per policy, however often you compile
audit_rate = 0.02       # share of non-alerts that people are asked to label
half_life_days = 90.0   # of event time, after which evidence counts half
learning_threshold = 10 # events between two compiles of `poet watch`
burst_limit = 50        # labels of one source that count within one hour

[bounds]
window_minimum = 100
window_cap = 50000
irrelevant_below = 0.2  # of the other features' drift cost; a feature below it is irrelevant

# The feedback log: in this folder (""), or in a PostgreSQL database that machines share, such as
# "postgresql://poet@db.example.com/poet" (password in ~/.pgpass). When `capacity` events wait for the disk,
# emitting blocks ("block"), raises an error ("refuse"), or drops non-durable events ("drop").
[store]
address = ""
capacity = 100000
on_full = "block"

# The engine that summarizes the log: duckdb in this process, or spark with its master ("local[4]", "yarn",
# "spark://host:7077", "sc://host" …). The results are the same. Every worker must reach this folder.
[engine]
name = "duckdb"
master = "local[*]"

# Pins and vetoes by policy: a pinned rule stays unchanged, a vetoed rule is never adopted.
[pins]
[vetoes]

# Executions, by policy, that every later version must answer as people labeled them.
[anchors]
"""
