"""Learn which alerts belong together, which are useless, and how long to hold back the similar ones."""

from poet.learn.generate_alerts._learn import learn

__all__ = ["learn"]
