"""Learn deadlines, sizes to sample from and to, the sparse cut, and what to try after which error."""

from poet.learn.monitor_with_recovery._learn import learn

__all__ = ["learn"]
