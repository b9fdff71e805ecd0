"""How the risk is shared out over the hypotheses about windows, before any data."""

from collections.abc import Sequence

from poet.learn.calculate_adaptive_window._readings import EDGES

_BANDS_SHARE = 0.4
_CAPS_SHARE = 0.3
_FEATURES_SHARE = 0.3


def hypothesis_weights(sizes: Sequence[int]) -> dict[str, float]:
    """Return each hypothesis its share of the risk: to every band two slopes, to caps, to features."""
    weights = {
        f"{what}/{band}": _BANDS_SHARE / (2 * (len(EDGES) + 1))
        for band in range(len(EDGES) + 1)
        for what in ("delay", "noise")
    }
    weights |= {f"cap/{size}": _CAPS_SHARE / 2**k for k, size in enumerate(reversed(sizes), start=1)}
    return weights | {"features": _FEATURES_SHARE}


def is_with_others(hypothesis: str) -> bool:
    """Whether a hypothesis shares its filtration with others: bands and caps do, "features" stands alone."""
    return hypothesis != "features"
