"""The share of the risk that what is learned from one page on may use."""

__all__ = ["share_of_risk"]

_FIRST = 0.9


def share_of_risk(first_page: int) -> float:
    """Give the share of a policy's risk for what is learned by reading from this page on.

    Evidence begins anew where learners begin to read. From each beginning, the chance of ever acting on noise
    is at most its share of the risk (Ville's inequality), and all shares add up to 1: so whichever pages
    are read, and however often, it is at most the risk. The first page has nine tenths, page k > 1 has
    ``0.1 / (k (k - 1))``.

    Parameters
    ----------
    first_page
        Counted from 1.
    """
    return _FIRST if first_page == 1 else (1.0 - _FIRST) / (first_page * (first_page - 1))
