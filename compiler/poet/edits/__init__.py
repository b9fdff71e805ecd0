"""What people say of single rules: pins, vetoes, and edits of a module, which become one or the other."""

from poet.edits._amend import amend
from poet.edits._author import author
from poet.edits._read import Edit, find_edits
from poet.edits._words import FILE, Word, add_words, last_words, read_words

__all__ = ["FILE", "Edit", "Word", "add_words", "amend", "author", "find_edits", "last_words", "read_words"]
