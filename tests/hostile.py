"""Hostile text: all planes, surrogates, quotes, newlines, template syntax, and 64 KiB."""

from hypothesis import strategies as st

__all__ = ["FAVOURITES", "hostile_text"]

FAVOURITES = (
    "",
    "\x00",
    "\ud800",
    "\udfff\ud800",
    "\U0010ffff",
    "\u202e\u2066reversed",
    "\u2028\u2029\x85\x0b\x0c\x1c",
    "\r",
    "\r\n",
    "a\nimport os\nos.system('true')\n",
    '"""',
    "'''",
    '"\nraise SystemExit\n"',
    "\\",
    "\\'",
    '\\"',
    "\\\n",
    'it\'s "both"',
    "{{ 7 * 7 }}",
    "{% raw %}",
    "{# comment #}",
    "# type: ignore",
    "type: int",
    "noqa",
    "fmt: off",
    "-*- coding: utf-7 -*-",
    "%s {0.__class__} ${x}",
    "__import__('os')",
    "eval",
    "None",
    "text_0",
    "ks",
    "features",
)
_REPEATED = ("x", "\n", "\ud800", "'\"", "\U0010ffff")


def hostile_text() -> st.SearchStrategy[str]:
    """Return a strategy for any Python string, including known troublesome ones."""
    anything = st.text(st.characters(exclude_categories=()))
    known = st.sampled_from(FAVOURITES)
    mixed = st.builds(lambda before, core, after: before + core + after, anything, known, anything)
    return st.one_of(anything, known, mixed, st.sampled_from(_REPEATED).map(_of_64_kib))


def _of_64_kib(text: str) -> str:
    return text * (65_536 // len(text))
