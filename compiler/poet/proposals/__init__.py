"""Plans that wait for a person's yes or no, and the process that makes and applies them."""

from poet.proposals._proposal import Proposal, State
from poet.proposals._store import Proposals
from poet.proposals._worker import Work, Worker

__all__ = ["Proposal", "Proposals", "State", "Work", "Worker"]
