"""The errors that POET raises on purpose.

    PoetError
    ├── EventError        an event is invalid                        (poet.events)
    ├── LogError          the feedback log cannot be read or written (poet.log)
    ├── SummaryError      segments or summaries are unreadable       (poet.summaries)
    ├── LearnError        decisions cannot be made                   (poet.learning)
    ├── RenderError       decisions cannot be rendered as source     (poet.build)
    ├── CheckError        source does not match its template         (poet.build)
    ├── ValidationError   a candidate violates its contract          (poet.build)
    ├── PublishError      a version cannot be written                (poet.build)
    ├── RegistryError     a policy cannot be resolved or loaded      (poet_runtime.registry)
    ├── BundleError       a bundle cannot be built or is rejected    (poet.distribute)
    ├── ExportError       a version cannot be exported               (poet.distribute)
    ├── SampleError       a policy got an argument of a wrong type   (poet_runtime)
    ├── WorkspaceError    poet.toml or the folder is not usable      (poet.workspace.workspace)
    ├── AccessError       a token cannot be created or is rejected   (poet.server)
    ├── IngestError       an HTTP request body is not an event       (poet.server)
    ├── ProposalError     a plan cannot be stored or decided on      (poet.server)
    ├── ServeError        the server cannot start                    (poet.server)
    ├── MonitorError      a decorator or an agent is used wrongly    (poet.monitor)
    ├── CompilerMissingError   a library of the compiler is missing  (poet)
    └── PluginError       a package's entry point cannot be used     (poet_runtime.plugins)

A message says what is wrong, with the value, and then the next step.
"""

from collections.abc import Iterator
from contextlib import contextmanager


class PoetError(Exception):
    """Base class of every error that POET raises on purpose."""


class EditError(PoetError):
    """A manual edit of a generated module or an override of a rule cannot be read."""


class EventError(PoetError):
    """An invalid event, with the event, the path of the field, the expected and the actual value."""

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
    """The feedback log cannot be read or written as requested."""


class SummaryError(PoetError):
    """Segments or summaries cannot be written or read."""


class LearnError(PoetError):
    """Decisions cannot be made from these summaries."""


class RenderError(PoetError):
    """Decisions cannot be rendered as source."""


class CheckError(PoetError):
    """Rendered source does not match its template or leaves the permitted dialect."""


class ValidationError(PoetError):
    """A candidate violates its contract, or the validator could not run."""


class PublishError(PoetError):
    """A version cannot be written to ``generated/``."""


class RegistryError(PoetError):
    """A policy cannot be resolved, loaded, activated or rolled back."""


class BundleError(PoetError):
    """A bundle cannot be built, or a received bundle is rejected."""


class ExportError(PoetError):
    """A version cannot be exported for an environment without POET."""


class SampleError(PoetError, TypeError):
    """A policy was called with an argument of the wrong type, which is a programming error."""


class WorkspaceError(PoetError):
    """A workspace, or its ``poet.toml``, is not usable."""


class MonitorError(PoetError):
    """A decorator or an agent is used wrongly, or a background task of an agent failed."""


class PluginError(PoetError):
    """A package registers an entry point that cannot be used. The message names the package."""


class AccessError(PoetError):
    """A token cannot be created or revoked, or the token file cannot be read."""


class IngestError(PoetError):
    """A request body that is not an event, with the location, the expected and the actual value."""

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
    """A plan cannot be stored, found or decided on."""


class ServeError(PoetError):
    """The server cannot start with this configuration."""


class CompilerMissingError(PoetError, ImportError):
    """A part of the compiler was requested, but a library that it needs is not installed."""


@contextmanager
def needs_compiler() -> Iterator[None]:
    """Raise an error that names the compiler extra if one of its libraries is not installed.

    Raises
    ------
    CompilerMissingError
        An import in the block failed because a library is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in ("poet", "poet_runtime"):
            raise  # the import itself is wrong, and installing the extra would not fix it
        raise CompilerMissingError(
            f"POET's compiler needs {error.name}, which is not installed; "
            'pip install "poet-policy-compiler[compiler]"',
            name=error.name,
        ) from None
