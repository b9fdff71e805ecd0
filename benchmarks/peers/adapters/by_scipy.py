"""scipy: `ks_2samp`, p < 0.05, a column at a time. There is nothing to prepare."""

from scipy import stats

from benchmarks.peers.adapters.kinds import Columns, Detect, Prepare, SampleInfo

LEVEL = 0.05


def ks(reference: Columns, _known: SampleInfo) -> Detect:
    """Return a comparison that tests each column separately."""
    return lambda current: {
        name: bool(stats.ks_2samp(current[name], reference[name]).pvalue < LEVEL) for name in reference
    }


METHODS: dict[str, Prepare] = {"ks_2samp": ks}
