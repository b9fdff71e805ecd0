"""Everything that handlers share, made once a server."""

from collections.abc import Callable
from pathlib import Path

from poet.access import Tokens
from poet.inbox import Waiting
from poet.proposals import Proposals, Worker
from poet.turns import NewFeedback
from poet.web._intake import Intake
from poet.web._limits import Buckets
from poet.web._metrics import Traffic
from poet.web._sessions import Sessions
from poet.web._settings import Settings
from poet.workspace import Workspace

__all__ = ["State"]


class State:
    """One workspace being served."""

    def __init__(self, folder: Path, settings: Settings, *, clock: Callable[[], float]) -> None:
        self.settings = settings
        self.clock = clock
        self.workspace = Workspace.open(folder, clock=clock)
        self.path = self.workspace.path
        self.log = self.workspace.log
        self.tokens = Tokens(self.path / "feedback_log")
        self.sessions = Sessions(clock=clock)
        self.intake = Intake(self.log)
        self.waiting = Waiting(self.log)
        self.feedback = NewFeedback(self.path, self.log)
        self.proposals = Proposals(self.path)
        self.worker = Worker(self.path)
        self.machines = Buckets(settings.machines)
        self.people = Buckets(settings.people)
        self.strangers = Buckets(settings.strangers)
        self.traffic = Traffic()
        self._had_tokens = not settings.is_local

    @property
    def needs_tokens(self) -> bool:
        """Whether nobody gets in without a token: once there were any, also when the last is revoked."""
        self._had_tokens = bool(self.tokens.all()) or self._had_tokens
        return self._had_tokens

    async def close(self) -> None:
        """Write what waits, end what is under way, let go of the workspace."""
        await self.intake.close()
        self.worker.close()
        self.workspace.close()
