"""The share of the risk that what is learned from one beginning on may use."""

__all__ = ["share_of_risk"]

_FIRST = 0.9


def share_of_risk(beginning: int) -> float:
    """Give the share of a policy's risk for what is learned from this beginning on.

    Evidence begins anew where learners begin to read. From each beginning, the chance of ever acting on noise
    is at most its share of the risk (Ville's inequality), and all shares add up to 1: so whichever pages
    are read, and however often, it is at most the risk. Reading from the start of the log has nine tenths,
    beginning k > 1 has ``0.1 / (k (k - 1))``.

    Parameters
    ----------
    beginning
        `Summaries.beginning`: 1 is the start of the log, 2 the page at which learners first began elsewhere.
    """
    return _FIRST if beginning == 1 else (1.0 - _FIRST) / (beginning * (beginning - 1))
