"""Executions that wait for a person's verdict, and the verdict."""

from poet.inbox._sketch import Sketch, read_sketch, sketch
from poet.inbox._verdict import verdict
from poet.inbox._waiting import Asked, Waiting

__all__ = ["Asked", "Sketch", "Waiting", "read_sketch", "sketch", "verdict"]
