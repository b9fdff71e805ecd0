"""`poet.toml`: what a workspace is told by the people who run it."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from poet.learning.configuration import Bounds, Costs, LearnConfiguration
from poet_runtime.errors import WorkspaceError


class Learning(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much proof a change needs, and how long proof lasts."""

    risk: float = 0.05
    audit_rate: float = 0.02
    half_life_days: float = 90.0
    learning_threshold: int = 10
    burst_limit: int = 50


class Store(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the feedback log is, and what its buffer does."""

    address: str = ""  # the workspace's own folder
    capacity: Annotated[int, Meta(ge=1)] = 100_000
    on_full: Literal["block", "refuse", "drop"] = "block"

    def __repr__(self) -> str:
        """Leave the address out: it may hold a password."""
        return f"Store(address=…, capacity={self.capacity}, on_full={self.on_full!r})"


EngineName = Literal["duckdb", "spark"]


class Engine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What summarises the log; the answers do not depend on it."""

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
    """A workspace's configuration, defaults filled in."""

    start: str
    source: str  # the `source` of events that name none
    learn: LearnConfiguration
    store: Store = Store()
    engine: Engine = Engine()


def read_configuration(path: Path) -> Configuration:
    """Read `poet.toml`.

    Raises
    ------
    WorkspaceError
        The file is missing, is not TOML, or says something that POET does not know.
    """
    try:
        document = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _Document)
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
    """Give the `poet.toml` of a new workspace, every default spelled out."""
    return f"""\
# What version 1 of detect_drift is: calibrated, ks, psi, wasserstein, evidently or nannyml.
start = "{start}"
# The source of events that name none.
source = "{source}"

# In one unit of your choice. A miss costs this many times a false alarm; delay_hour is an hour in which
# a drift went unseen, run one execution. Feedback that names dollars or hours moves a cost, by what a unit
# and an hour are worth, at most `within` times up or down (1: not at all).
[costs]
false_alarm = 1.0
miss = 3.0
delay_hour = 1.0
run = 0.001
unit_usd = 100.0
hour_usd = 50.0
within = 2.0

[learning]
risk = 0.05             # chance of ever acting on noise, per policy, however often you compile
audit_rate = 0.02       # share of silent executions that a person is asked about
half_life_days = 90.0   # of event time: old evidence counts half
learning_threshold = 10 # events between two compiles of `poet watch`
burst_limit = 50        # votes of one source that count within one hour

[bounds]
window_minimum = 100
window_cap = 50000
irrelevant_below = 0.2  # of what other features' drifts cost: a feature below never matters

# Where the feedback log is: in this folder, or in a PostgreSQL that machines share, as in
# "postgresql://poet@db.example.com/poet" (its password: in ~/.pgpass). When `capacity` events wait for the
# disk, emitting blocks, is refused with an error, or drops what is not durable.
[store]
address = ""
capacity = 100000
on_full = "block"

# What summarises the log: duckdb in this process, or spark, with its master ("local[4]", "yarn",
# "spark://host:7077", "sc://host" …); the answers are the same. Every worker must reach this folder.
[engine]
name = "duckdb"
master = "local[*]"

# A person's word on rules, by policy: a pinned rule stays as it is, a vetoed one is never adopted.
[pins]
[vetoes]

# Executions, by policy, that every later version must answer as people judged them.
[anchors]
"""
