"""Learn which features matter, in which circumstances, and which never do."""

from poet.learn.calculate_feature_importance._learn import learn

__all__ = ["learn"]
