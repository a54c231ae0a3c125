"""The root of the command line and its groups, each imported when it is called for."""

from datetime import datetime
from functools import partial
from importlib import import_module
from typing import Annotated, Any, cast

import typer

from streamctl import __version__
from streamctl.cli import completion
from streamctl.cli.command import CONTEXT, CommandGroup, Commands
from streamctl.cli.hints import GROUPS
from streamctl.cli.options import reading, seconds
from streamctl.domain import calendar, text
from streamctl.settings import WAIT, Settings, login

AsOf = Annotated[
    datetime | None,
    typer.Option(
        "--as-of",
        help="Do it as if it were this instant, or the start of this day.",
        envvar="STREAMCTL_AS_OF",
        **reading(calendar.typed_moment, "WHEN"),
    ),
]


def _actor(value: str) -> str:
    return text.stored(value.strip(), "actor") or login()


class Root(CommandGroup):
    """The root group, whose groups are imported by name."""

    def __init__(self, **settings: Any) -> None:
        commands = Commands()
        for name in GROUPS:
            commands.later(name, partial(_group, name))
        super().__init__(**{**settings, "commands": cast(Any, commands)})
        completion.prepare()

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the command line. Raises Typer's usage error."""
        return super().parse_args(ctx, completion.with_shell(args))


def _group(name: str) -> Any:
    return import_module(f"streamctl.cli.{name}").group.built()


app = typer.Typer(
    cls=Root,
    name="streamctl",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,  # the options of `completion` know which shell was named
    context_settings=CONTEXT,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"streamctl {__version__}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    db: Annotated[
        str | None,
        typer.Option(
            "--db",
            help="The database: a file, or a server's URL.",
            envvar="STREAMCTL_DB",
            metavar="PATH",
            show_default=False,
        ),
    ] = None,
    as_of: AsOf = None,
    actor: Annotated[
        str | None,
        typer.Option(
            "--actor",
            help="Who does it, for the log; the login name unless said.",
            envvar="STREAMCTL_ACTOR",
            show_default=False,
            **reading(_actor, "NAME"),
        ),
    ] = None,
    timeout: Annotated[
        float, typer.Option("--timeout", help="Seconds to wait for a busy database.", **reading(seconds, "S"))
    ] = WAIT,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing when all is well.")] = False,
    no_input: Annotated[
        bool, typer.Option("--no-input", help="Never ask: what needs a yes is refused without --yes.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback when something fails.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)
    ] = False,
    install_completion: completion.Install = None,
    show_completion: completion.Show = None,
) -> None:
    """Administer a streaming service: its members, their credits and streams, and what they owe."""
    source = context.get_parameter_source("db")
    named = source is not None and source.name == "COMMANDLINE"
    context.obj = Settings(db, as_of, actor, timeout, quiet, debug, no_input, named)
