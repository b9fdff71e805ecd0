"""Every error POET raises on purpose.

    PoetError
    ├── EventError        an event was refused                     (poet.events)
    ├── LogError          the feedback log cannot do what is asked (poet.log)
    ├── SummaryError      segments or summaries are unreadable     (poet.summaries)
    ├── LearnError        decisions cannot be made                 (poet.learning)
    ├── RenderError       decisions cannot become source           (poet.build)
    ├── CheckError        source is not what the template promised (poet.build)
    ├── ValidationError   a candidate broke its contract           (poet.build)
    ├── PublishError      a version cannot be written              (poet.build)
    ├── RegistryError     a policy cannot be resolved or loaded    (poet_runtime.registry)
    ├── BundleError       a bundle cannot be made, or was refused  (poet.distribute)
    ├── ExportError       a version cannot be said in another way  (poet.distribute)
    ├── SampleError       a policy was called with a wrong type    (poet_runtime)
    ├── WorkspaceError    poet.toml or the folder is not usable    (poet.workspace.workspace)
    ├── AccessError       a token cannot be made, or is refused    (poet.server)
    ├── IngestError       what came by HTTP is no event            (poet.server)
    ├── ProposalError     a plan cannot be kept or decided on      (poet.server)
    ├── ServeError        the server cannot be started so          (poet.server)
    ├── MonitorError      a decorator or an agent is used wrongly  (poet.monitor)
    ├── CompilerMissingError   a library of the compiler is missing (poet)
    └── PluginError       a package's entry point cannot be used   (poet_runtime.plugins)

A message says what is wrong with which value, then what to do next.
"""

from collections.abc import Iterator
from contextlib import contextmanager


class PoetError(Exception):
    """The parent of every error that POET raises on purpose."""


class EditError(PoetError):
    """A person's edit of a generated module, or their word on a rule, cannot be read."""


class EventError(PoetError):
    """An event was refused: names the event, the field path, what was expected and what came."""

    def __init__(self, *, event: str, path: str, expected: str, got: str) -> None:
        self.event = event
        self.path = path
        self.expected = expected
        self.got = got
        super().__init__(f"{event}: {path}: expected {expected}, got {got}")

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_event_error, (self.event, self.path, self.expected, self.got)


def _rebuild_event_error(event: str, path: str, expected: str, got: str) -> EventError:
    return EventError(event=event, path=path, expected=expected, got=got)


class LogError(PoetError):
    """The feedback log cannot do what was asked."""


class SummaryError(PoetError):
    """Segments or summaries cannot be written or read."""


class LearnError(PoetError):
    """Decisions cannot be made from these summaries."""


class RenderError(PoetError):
    """Decisions cannot be turned into source."""


class CheckError(PoetError):
    """Rendered source is not what its template and dialect promise."""


class ValidationError(PoetError):
    """A candidate broke its contract, or the validator could not run."""


class PublishError(PoetError):
    """A version cannot be written to ``generated/``."""


class RegistryError(PoetError):
    """A policy cannot be resolved, loaded, activated or rolled back."""


class BundleError(PoetError):
    """A bundle cannot be made, or one that came was refused."""


class ExportError(PoetError):
    """A version cannot be written for a place without POET."""


class SampleError(PoetError, TypeError):
    """A policy was called with an argument of the wrong type: a programming error."""


class WorkspaceError(PoetError):
    """A workspace, or its ``poet.toml``, is not usable."""


class MonitorError(PoetError):
    """A decorator or an agent is used wrongly, or something failed behind an agent's back."""


class PluginError(PoetError):
    """A package registered something that cannot be used; names the package."""


class AccessError(PoetError):
    """A token cannot be made or revoked, or the file of tokens cannot be read."""


class IngestError(PoetError):
    """What came by HTTP is no event: names the place, what was expected and what came."""

    def __init__(self, *, where: str, expected: str, got: str) -> None:
        self.where = where
        self.expected = expected
        self.got = got
        super().__init__(f"{where}: expected {expected}, got {got}")

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_ingest_error, (self.where, self.expected, self.got)


def _rebuild_ingest_error(where: str, expected: str, got: str) -> IngestError:
    return IngestError(where=where, expected=expected, got=got)


class ProposalError(PoetError):
    """A plan cannot be kept, found or decided on."""


class ServeError(PoetError):
    """The server cannot be started like this."""


class CompilerMissingError(PoetError, ImportError):
    """A part of the compiler was asked for, and a library that it needs is not installed."""


@contextmanager
def needs_compiler() -> Iterator[None]:
    """Name the extra that brings the compiler where one of its libraries is not installed.

    Raises
    ------
    CompilerMissingError
        An import in the block failed because a library is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in ("poet", "poet_runtime"):
            raise  # a mistake in the import, which no installation mends
        raise CompilerMissingError(
            f"POET's compiler needs {error.name}, which is not installed; "
            'pip install "poet-policy-compiler[compiler]"',
            name=error.name,
        ) from error
