"""Learn which statistic, on which preparation, at which threshold, for which kind of data."""

from poet.learn.detect_drift._describe import describe_parameters
from poet.learn.detect_drift._learn import learn
from poet.learn.detect_drift._replay import replay

__all__ = ["describe_parameters", "learn", "replay"]
