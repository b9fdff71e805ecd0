"""Is a version at fault more often than it may be? An e-process, in plain Python: it runs beside the calls.

*What is tested*: given everything before it, each call fails with probability at most `ALLOWED`. Capital is
split in advance over rates that would be worse and over the calls from which on to bet on each of them,
1 / (j (j + 1)) from call j. Each bet multiplies by the likelihood ratio of its rate against `ALLOWED`, so
while the hypothesis holds the capital is a supermartingale that starts below 1: it ever reaches `ENOUGH`
with probability at most 1 / `ENOUGH`, however many calls there are and however often one looks (Ville 1939).
Bets that start late are what lets a version that was sound for a million calls be found out within a few.

Runs of successes are settled when the next failure comes: their bets at once, and late starters among them at
no more than their last share, which understates the capital and so keeps the bound.
"""

__all__ = ["ALLOWED", "ENOUGH", "FailureEvidence"]

ALLOWED = 0.001  # of the calls: what no version is rolled back for
ENOUGH = 1000.0
RATES = (0.004, 0.02, 0.1, 0.5, 0.99)
MOST = 1e290  # capital that is not counted further: the next factor must stay finite


class FailureEvidence:
    """The capital made of one version's failures, in order of the calls."""

    def __init__(self) -> None:
        self._capital = [0.0] * len(RATES)
        self._settled = 0

    @property
    def e_value(self) -> float:
        """What betting against "at most `ALLOWED` of the calls fail" has made of 1."""
        return sum(self._capital) / len(RATES)

    def failed_at(self, call: int) -> float:
        """Settle a failure at this call, counted from 1, and all successes before it; give the e-value."""
        call = max(call, self._settled + 1)  # of two threads the later call may fail first
        successes = call - 1 - self._settled
        for index, rate in enumerate(RATES):
            kept = (1.0 - rate) / (1.0 - ALLOWED)
            left = kept**successes
            capital = self._capital[index] * left
            if successes:
                capital += _share(call - 1) * kept * (1.0 - left) / (1.0 - kept)
            self._capital[index] = min((capital + _share(call)) * rate / ALLOWED, MOST)
        self._settled = call
        return self.e_value


def _share(call: int) -> float:
    return 1.0 / (call * (call + 1))
