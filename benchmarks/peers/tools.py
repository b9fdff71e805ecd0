"""The compared tools: their installation, the measured methods, and their use of labels."""

from dataclasses import dataclass

__all__ = ["POET", "TOOLS", "Method", "Tool"]

MILLION = 1_000_000


@dataclass(frozen=True)
class Method:
    """One way in which a tool detects drift."""

    name: str  # a key of the adapter's METHODS
    longest: int = 100_000  # values in a timed sample
    does_tables: bool = True
    is_evaluated: bool = True  # on series with known truth: it decides on a sample at its defaults


@dataclass(frozen=True)
class Tool:
    """One package.

    `learns` and `says` summarize its documentation, at `source`, about people's labels of its alarms.
    """

    name: str
    adapter: str
    imports: str  # the imports of a program that uses it
    methods: tuple[Method, ...]
    requirements: tuple[str, ...] = ()
    pythons: tuple[str, ...] = ("3.11",)
    learns: str = "no"
    says: str = ""
    source: str = ""


POET = Tool(
    name="POET",
    adapter="by_poet",
    imports="from generated import detect_drift",
    methods=(
        Method("start=ks", longest=MILLION),
        Method("start=calibrated", longest=MILLION),
        Method("start=calibrated, with times", longest=0, does_tables=False),
    ),
    learns="yes",
    says="labels, retrainings and missed drifts become rules of the next version",
    source="learning.md",
)

TOOLS: tuple[Tool, ...] = (
    POET,
    Tool(
        name="scipy",
        adapter="by_scipy",
        imports="from scipy.stats import ks_2samp",
        requirements=("scipy==1.17.1",),
        methods=(Method("ks_2samp", longest=MILLION),),
        says="a test gives a statistic and a p-value; the level is the caller's",
        source="https://docs.scipy.org/doc/scipy/reference/generated/scipy.stats.ks_2samp.html",
    ),
    Tool(
        name="Evidently",
        adapter="by_evidently",
        imports="from evidently import DataDefinition, Dataset, Report; "
        "from evidently.presets import DataDriftPreset",
        requirements=("evidently==0.7.23", "pandas<3"),
        methods=(Method("default"),),
        says="methods and thresholds are parameters that the user sets",
        source="https://docs.evidentlyai.com/metrics/customize_data_drift",
    ),
    Tool(
        name="NannyML",
        adapter="by_nannyml",
        imports="import nannyml",
        requirements=(
            "nannyml==0.13.1",
            "category-encoders<2.7",
            "pandas<3",
            "scikit-learn<1.6",
            "statsmodels",
        ),
        methods=(Method("default"),),
        says="thresholds are constants or come from the reference's own chunks; targets measure "
        "a model's performance, not the quality of an alert",
        source="https://nannyml.readthedocs.io/en/stable/tutorials/thresholds.html",
    ),
    Tool(
        name="alibi-detect",
        adapter="by_alibi_detect",
        imports="from alibi_detect.cd import KSDrift",
        requirements=("alibi-detect==0.13.0",),
        methods=(Method("KSDrift"),),
        says="the p-value is a parameter; a detector may update its reference, never its rule",
        source="https://docs.seldon.io/projects/alibi-detect/en/stable/cd/methods/ksdrift.html",
    ),
    Tool(
        name="frouros",
        adapter="by_frouros",
        imports="from frouros.detectors.data_drift import KSTest",
        requirements=("frouros==0.9.0",),
        methods=(
            Method("KSTest"),
            Method("IncrementalKSTest", longest=1000, does_tables=False, is_evaluated=False),
        ),
        says="data drift detectors give a distance or a p-value; concept drift detectors are fed a model's "
        "errors, which needs true targets, not labels of alarms",
        source="https://frouros.readthedocs.io/en/latest/concepts.html",
    ),
    Tool(
        name="river",
        adapter="by_river",
        imports="from river import drift",
        requirements=("river==0.26.1",),
        methods=(Method("ADWIN"),),
        says="detectors take a stream of numbers, often a model's errors; their parameters do not change",
        source="https://riverml.xyz/latest/introduction/getting-started/concept-drift-detection/",
    ),
    Tool(
        name="whylogs",
        adapter="by_whylogs",
        imports="import whylogs; from whylogs.viz.drift import column_drift_algorithms",
        requirements=("whylogs[viz]==1.6.4", "pandas"),
        pythons=("3.11", "3.10"),
        methods=(Method("default"),),
        says="algorithms and thresholds are configured by the user",
        source="https://github.com/whylabs/whylogs/blob/mainline/python/examples/advanced/"
        "Drift_Algorithm_Configuration.ipynb",
    ),
    Tool(
        name="deepchecks",
        adapter="by_deepchecks",
        imports="from deepchecks.tabular.checks import FeatureDrift",
        requirements=("deepchecks==0.19.1", "numpy<2", "scikit-learn<1.8"),
        pythons=("3.11", "3.10"),
        methods=(Method("default"),),
        says="conditions with thresholds that the user sets",
        source="https://docs.deepchecks.com/stable/tabular/auto_checks/train_test_validation/plot_feature_drift.html",
    ),
)
