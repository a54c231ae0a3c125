"""Where every refusal ends: one line on stderr (JSON when that was asked for) and an exit status."""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import typer

from streamctl.cli.hints import SAME, VALUED, masked, named_database, typed, with_database
from streamctl.errors import (
    CannotOpen,
    Interrupted,
    OutputFailed,
    StreamctlError,
    TimeOrder,
    UsageError,
    too_many_files,
    up_to,
)
from streamctl.output.writer import ClosedPipe, say

CLOSED_PIPE = 141


def run(arguments: Sequence[str]) -> int:
    """Run one command; the exit status. Everything that can go wrong has become words when this returns."""
    try:
        status = _called(arguments)
        _flush()
    except StreamctlError as error:
        _debug(arguments)
        return tell(error, arguments)
    except typer.TyperException as error:
        return _tell_usage(error, arguments)
    except typer.Abort:
        say("Stopped; nothing was changed.")
        return Interrupted.status
    except ClosedPipe as closed:
        if closed.done:
            again = f" Read it again with: {closed.again}" if closed.again else ""
            said = f"The change is done{up_to(closed.line)}; its answer was not read to the end.{again}"
            say(masked(with_database(said, named_database(arguments))))
        return CLOSED_PIPE
    except OSError as error:  # help and version are written by Typer itself
        _debug(arguments)
        if isinstance(error, BrokenPipeError):
            return CLOSED_PIPE
        return tell(_of_the_system(error), arguments)
    except Exception as error:  # noqa: BLE001 (the last resort, which is what a boundary is)
        _debug(arguments)
        name = f"{type(error).__name__}: {error}".strip(": ")
        return tell(
            _Unexpected(f"Something unexpected happened ({name}).", "See more with: streamctl --debug …"), arguments
        )
    if status == Interrupted.status:  # so Typer ends where Ctrl-C found nothing begun
        return tell(Interrupted(done=False), arguments)
    return status if isinstance(status, int) else 0


def _called(arguments: Sequence[str]) -> Any:
    """What the command returns. Raises what it raises; a closed pipe, of which Typer makes an exit, too."""
    from streamctl.cli import app

    try:
        return app(args=list(arguments), prog_name="streamctl", standalone_mode=False)
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):
            raise ended.__context__ from None
        return ended.code


def _of_the_system(error: OSError) -> StreamctlError:
    """What could not be written, or a module that could not be opened when it was needed."""
    if too_many_files(error):
        return CannotOpen.because(str(error.filename or "A file"), error)
    return OutputFailed(error.strerror or str(error), done=False)


def _flush() -> None:
    if sys.stdout is not None:
        sys.stdout.flush()


class _Unexpected(StreamctlError):
    pass


def tell(error: StreamctlError, arguments: Sequence[str]) -> int:
    """Write the error to stderr; its exit status."""
    if isinstance(error, TimeOrder):
        error.hint = error.again(typed(arguments, without="--as-of"))
    if found := SAME.search(error.hint):
        error.hint = f"{error.hint[: -len('…')]}{typed(arguments, without=found[1])}"
    database = named_database(arguments)
    error.hint = with_database(error.hint, database)
    if "suggestion" in error.details:
        error.details["suggestion"] = with_database(error.details["suggestion"], database)
    if wants_json(arguments):
        from streamctl.output.jsontext import anything

        say(masked(anything({"error": error.told()})), json=True)
    elif isinstance(error, Interrupted):  # which is no error but what somebody wished
        say(masked(f"{error.message} {error.hint}".strip()))
    else:
        say(masked(f"Error: {error.message}"))
        if error.hint:
            say(masked(f"Hint: {error.hint}"))
    return error.status


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether errors are to be JSON, from the raw words: a command line may be wrong before it is parsed."""
    asked = os.environ.get("STREAMCTL_FORMAT", "")
    for word, following in zip(arguments, [*arguments[1:], ""], strict=True):
        if word == "--":
            break
        if word == "--format":
            asked = following
        elif word.startswith("--format="):
            asked = word.removeprefix("--format=")
    return asked in ("json", "jsonl")


def _tell_usage(error: typer.TyperException, arguments: Sequence[str]) -> int:
    context = getattr(error, "ctx", None)
    option = getattr(error, "option_name", "") if type(error).__name__ == "NoSuchOption" else ""
    message = f"{error.message}." if option else error.format_message()
    if type(error).__name__ == "NoArgsIsHelpError":
        with suppress(OSError):  # nobody is left to read it
            typer.echo(message, err=True)
        return error.exit_code
    command = context.command_path if context is not None else "streamctl"
    hint = f"See how it is used with: {command} --help"
    if option in ROOT_OPTIONS and context is not None and context.parent is not None:
        hint = f"{option} goes before the group: streamctl {typed(arguments, first=option)}"
    elif option and context is not None:
        from streamctl.cli.words import option as meant

        known = [name for one in context.command.params for name in one.opts if name.startswith("--")]
        if name := meant(option, known):
            hint = f"Did you mean {name}? {hint}"
    return tell(UsageError(message, hint), arguments)


ROOT_OPTIONS = (*VALUED, "--quiet", "--no-input", "--debug")


def _debug(arguments: Sequence[str]) -> None:
    if "--debug" in arguments:
        import traceback

        if sys.stderr is not None:
            with suppress(OSError):
                sys.stderr.write(masked(traceback.format_exc()))
