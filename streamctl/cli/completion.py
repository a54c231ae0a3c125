"""Completion for a shell: Typer's own scripts, installed for the shell that is named, and for no other."""

import os
from collections.abc import Callable
from typing import Annotated, Any

import typer

from streamctl.cli.hints import GROUPS
from streamctl.errors import UsageError, listed, quoted

SHELLS = ("bash", "zsh", "fish")
OPTIONS = ("--install-completion", "--show-completion")
METAVAR = f"[{'|'.join(SHELLS)}]"
_THIS_ONE = "this-one"  # stands for the shell that the command line was typed into
_VARIABLE = "_STREAMCTL_COMPLETE"


def prepare() -> None:
    """Where a shell asks for completions, let Typer's scripts answer it."""
    if _VARIABLE in os.environ:
        from typer.completion import completion_init  # type: ignore[attr-defined]

        completion_init()


def with_shell(words: list[str]) -> list[str]:
    """The command line with a value for either of the options, which stand before the group and need not name one."""
    found: list[str] = []
    for word, following in zip(words, [*words[1:], "-"], strict=False):
        if word in GROUPS:
            return [*found, *words[len(found) :]]
        found += [f"{word}={_THIS_ONE}" if word in OPTIONS and following.startswith("-") else word]
    return found


def _eager(run: Callable[[str], None]) -> Callable[[typer.Context, str | None], None]:
    def callback(context: typer.Context, shell: str | None) -> None:
        if shell is not None and not context.resilient_parsing:
            run(_detected() if shell == _THIS_ONE else shell)
            raise typer.Exit

    return callback


def _detected() -> str:
    """The shell that the command line was typed into. Raises UsageError."""
    import shellingham  # type: ignore[import-untyped]

    try:
        return str(shellingham.detect_shell()[0])
    except (shellingham.ShellDetectionFailure, OSError):
        raise UsageError("It can't be told which shell this is.", f"Name it: {listed(SHELLS)}.") from None


def _check(shell: str) -> None:
    if shell not in SHELLS:
        raise UsageError(f"There is no completion for {quoted(shell)}.", f"There is one for {listed(SHELLS)}.")


def _install(shell: str) -> None:
    from typer.completion import install  # type: ignore[attr-defined]

    _check(shell)
    try:
        _, path = install(shell, "streamctl", _VARIABLE)
    except (OSError, RuntimeError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        hint = f"See what would be installed with: streamctl --show-completion {shell}"
        raise UsageError(f"Completion can't be installed: {why.rstrip('.')}.", hint) from None
    typer.echo(f"Completion for {shell} is in {path}. It takes effect in the next shell.")


def _show(shell: str) -> None:
    from typer.completion import get_completion_script  # type: ignore[attr-defined]

    _check(shell)
    typer.echo(get_completion_script(prog_name="streamctl", complete_var=_VARIABLE, shell=shell))


def _option(flag: str, help: str, run: Callable[[str], None]) -> Any:
    return typer.Option(flag, help=help, metavar=METAVAR, callback=_eager(run), is_eager=True, show_default=False)


Install = Annotated[
    str | None, _option(OPTIONS[0], "Install completion, for this shell unless one is named.", _install)
]
Show = Annotated[str | None, _option(OPTIONS[1], "Show what that would install, to put it elsewhere.", _show)]
