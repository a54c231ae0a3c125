"""Every command, argument and option, taken from the program itself, with a command line that uses each.

What is added to the program is here at once; where a test can't know how to call it, it says so and fails.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from typer.main import get_command

from streamctl.cli import app

# A value for each argument, by its name; and what a command needs besides its arguments.
ARGUMENTS = {
    "email": "new@example.com",
    "entry": "1",
    "file": "input",
    "ids": "1",
    "invoice": "1",
    "key": "seller_name",
    "line": "1",
    "member": "1",
    "members": "1",
    "value": "a name",
}
NEEDED = {
    "db move": ("--to=moved.db",),
    "db restore": ("--yes",),
    "invoices delete": ("--yes",),
    "invoices render": ("--to=text",),
    "lines add": ("--amount=1",),  # an invoice of 0 gets no number
    "lines delete": ("--yes",),
    "members delete": ("--yes",),
    "members erase": ("--yes",),
}
REHEARSAL = "--dry-run"
# What changes something and can't be rehearsed, and what only reads.
CHANGES_AT_ONCE = (
    *("db backup", "db init", "db migrate", "db move", "db restore", "db sandbox", "invoices render", "stream batch"),
)
READS = (
    *("db check", "db diff", "db dump", "db info", "invoices list", "invoices overdue", "invoices show", "lines list"),
    *("lines show", "log list", "log show", "members list", "members show", "report ageing", "report revenue"),
    *("report usage", "stream list", "stream watch", "stream why"),
)
FREE_TEXT = ("EMAIL", "KEY", "TEXT", "VALUE")


class Parameter(NamedTuple):
    """An argument, or an option that takes a value."""

    name: str
    flag: str  # "" for an argument
    shown: str  # what the help calls its value
    choices: tuple[str, ...] = ()  # where it takes nothing else

    @property
    def free(self) -> bool:
        """Whether it takes any text, and not a number, a day or a name of something."""
        return self.shown.rstrip(".") in FREE_TEXT

    def given(self, value: str) -> tuple[str, ...]:
        """The option with this value as words; nothing for an argument."""
        return (f"{self.flag}={value}",) if self.flag else ()


class Command(NamedTuple):
    """A command of a group, and what can be given to it."""

    name: str
    parameters: tuple[Parameter, ...]
    flags: tuple[str, ...]

    @property
    def rehearses(self) -> bool:
        """Whether it can be rehearsed."""
        return REHEARSAL in self.flags

    @property
    def takes_format(self) -> bool:
        """Whether its answer comes in every format."""
        return any(one.flag == "--format" for one in self.parameters)

    @property
    def changes(self) -> bool:
        """Whether it changes anything."""
        return self.rehearses or self.name in CHANGES_AT_ONCE

    @property
    def options(self) -> tuple[Parameter, ...]:
        return tuple(one for one in self.parameters if one.flag)

    def words(self, *more: str, **values: str) -> tuple[str, ...]:
        """A command line, with these words among its options and these values for its arguments and options.

        An argument may begin with a dash: all of them stand behind `--`.
        """
        arguments = [one for one in self.parameters if not one.flag]
        given = [values.get(one.name, ARGUMENTS[one.name]) for one in arguments]
        asked = [word for one in self.options if one.name in values for word in one.given(values[one.name])]
        flags = {word.partition("=")[0] for word in (*more, *asked)}
        needed = [word for word in NEEDED.get(self.name, ()) if word.partition("=")[0] not in flags]
        return (*self.name.split(), *needed, *more, *asked, *(("--", *given) if given else ()))


ROOT = (
    Parameter("db", "--db", "PATH"),
    Parameter("as_of", "--as-of", "WHEN"),
    Parameter("actor", "--actor", "NAME"),
    Parameter("timeout", "--timeout", "S"),
)


@cache
def commands() -> tuple[Command, ...]:
    """All commands of all groups."""
    groups: Any = get_command(app)
    return tuple(
        _command(f"{group} {name}", command)
        for group, built in groups.commands.items()
        for name, command in built.commands.items()
    )


def command(name: str) -> Command:
    """The command of that name."""
    return next(one for one in commands() if one.name == name)


def _command(name: str, built: Any) -> Command:
    valued = [one for one in built.params if one.param_type_name == "argument" or not one.is_flag]
    return Command(
        name,
        tuple(map(_parameter, valued)),
        tuple(one.opts[0] for one in built.params if one not in valued),
    )


def _parameter(built: Any) -> Parameter:
    flag = built.opts[0] if built.param_type_name == "option" else ""
    return Parameter(built.name, flag, built.metavar or "", tuple(getattr(built.type, "choices", ())))
