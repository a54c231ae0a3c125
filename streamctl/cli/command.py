"""How a function becomes a command: it gets a desk, it returns an answer; opening and showing are done here, once.

A command is built when it is called for, so that one command never pays for the others.
"""

import inspect
from collections.abc import Callable, Iterator, MutableMapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, cast

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption
from typer.main import get_command

from streamctl import output as out
from streamctl.cli.desk import Desk
from streamctl.cli.hints import pointed
from streamctl.cli.options import number, reading
from streamctl.domain.records import Answer, Document, Listing
from streamctl.errors import UsageError, quoted
from streamctl.output.destination import destination
from streamctl.output.formats import FORMATS, Format, check_no_format, check_only, chosen
from streamctl.settings import Settings, default_format, real_now

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from streamctl.domain.documents import Papers
    from streamctl.store.database import Store

CONTEXT = {"help_option_names": ["-h", "--help"]}


FormatOption = Annotated[
    Format | None, typer.Option("--format", help="How to show it; STREAMCTL_FORMAT sets a default.")
]
FileOption = Annotated[
    str | None,
    typer.Option("--output", "-o", help="Write to this file; .csv, .json … choose the format.", metavar="FILE"),
]
FormOption = Annotated[
    Literal["html", "text", "json"] | None,
    typer.Option("--to", help="What to make; html unless the file's ending says otherwise."),
]
PlaceOption = Annotated[
    str | None,
    typer.Option("--output", "-o", help="Write to this file, or a file each in this folder.", metavar="FILE|FOLDER/"),
]
ExcelSafe = Annotated[bool, typer.Option("--excel-safe", help="Guard cells that a spreadsheet would run as a formula.")]
ColumnsOption = Annotated[
    str | None, typer.Option("--columns", help="These columns, or with + these too.", metavar="a,b|+c")
]
Sort = Annotated[
    str | None, typer.Option("--sort", help="Order by these; - before one turns it round.", metavar="[-]COL,...")
]
Limit = Annotated[
    int | None,
    typer.Option("--limit", help="So many rows at most.", **reading(number(0, 10**9, "number of rows"), "N")),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Do it, show what it changed, and take it back.")]


LOOKS = ("format", "output", "columns", "sort", "limit")


# These lend their parameters to the commands below.
def _output_options(format: FormatOption = None, output: FileOption = None, excel_safe: ExcelSafe = False) -> None: ...
def _file_options(output: FileOption = None) -> None: ...
def _document_options(to: FormOption = None, output: PlaceOption = None) -> None: ...
def _window_options(columns: ColumnsOption = None, sort: Sort = None, limit: Limit = None) -> None: ...
def _change_options(dry_run: DryRun = False) -> None: ...


Body = Callable[..., Answer | Document]
Finding = Callable[..., "Papers"]
F = TypeVar("F", bound=Callable[..., Any])


class Commands(MutableMapping[str, Any]):
    """Commands by name, each built on first use."""

    def __init__(self) -> None:
        self._makers: dict[str, Callable[[], Any]] = {}
        self._made: dict[str, Any] = {}

    def later(self, name: str, maker: Callable[[], Any]) -> None:
        """Add a command that `maker` makes when it is needed."""
        self._makers[name] = maker

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._makers[name] = lambda: command

    def __delitem__(self, name: str) -> None:
        del self._makers[name]
        self._made.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


class CommandGroup(TyperGroup):
    """Typer's own class, with better advice where there is no command of a name."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is meant. Raises UsageError where there is none."""
        try:
            return super().resolve_command(ctx, args)
        except typer.TyperException:
            if args[0].startswith("-"):
                raise
        from streamctl.cli.words import advice

        group = "" if ctx.parent is None else str(self.name)
        raise UsageError(f"No such command {quoted(args[0])}.", advice(ctx.find_root().command, group, args))


class Group:
    """A group of commands, such as `members`."""

    def __init__(self, name: str, help: str) -> None:
        self.name = name
        self.help = help
        self.commands = Commands()

    def built(self) -> TyperGroup:
        """The group as Typer's own class."""
        return CommandGroup(
            name=self.name,
            commands=cast(Any, self.commands),
            help=self.help,
            no_args_is_help=True,
            rich_markup_mode=None,
            context_settings=CONTEXT,
        )

    def shows(self, name: str) -> Callable[[Body], Body]:
        """A command that reads one thing."""
        return self._command(name, _output_options)

    def dumps(self, name: str, suffix: str) -> Callable[[Body], Body]:
        """A command whose answer has a format of its own, that of files with this ending."""
        return self._command(name, _file_options, runner=partial(run, f"{self.name} {name}", suffix=suffix))

    def renders(self, name: str) -> Callable[[Finding], Finding]:
        """A command that makes documents; its function finds what they are about."""
        from streamctl.cli.rendering import render

        return self._command(name, _document_options, runner=render)

    def follows(self, name: str) -> Callable[[Body], Body]:
        """A command that goes on until it is stopped, on standard output alone."""
        return self._command(name)

    def lists(self, name: str) -> Callable[[Body], Body]:
        """A command that lists; its function takes a `window` too."""
        return self._command(name, _window_options, _output_options)

    def changes(self, name: str) -> Callable[[Body], Body]:
        """A command that changes rows, and can rehearse it."""
        return self._command(name, _change_options, _output_options)

    def checks(self, name: str) -> Callable[[Body], Body]:
        """A command that reads a database of any schema version."""
        return self._command(name, _output_options, runner=partial(run, f"{self.name} {name}", any_schema=True))

    def founds(self, name: str) -> Callable[[Body], Body]:
        """A command on the database file itself; its function takes the settings, and opens what it needs."""
        return self._command(name, _output_options, runner=found)

    def _command(
        self, name: str, *shared: Callable[..., None], runner: Callable[..., None] | None = None
    ) -> Callable[[F], F]:
        running = runner or partial(run, f"{self.name} {name}")

        def decorate(function: F) -> F:
            self.commands.later(name, lambda: _built(_wrapped(function, shared, running), name))
            return function

        return decorate


class Command(TyperCommand):
    """A command that refuses an option given twice where only one of the values could count.

    Options that say how the answer looks are left out: the last one counts, as a shell's alias expects.
    """

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Parse the command line. Raises Typer's usage error."""
        if not ctx.resilient_parsing:
            *_, given = self.make_parser(ctx).parse_args(args=list(args))
            options = [option for option in given if isinstance(option, TyperOption) and option.name not in LOOKS]
            for option in options:
                if options.count(option) > 1 and not (option.multiple or option.is_flag):
                    ctx.fail(f"Option '{option.opts[0]}' is given twice, and takes one value.")
        return super().parse_args(ctx, args)


def _built(function: Callable[..., None], name: str) -> Any:
    single = typer.Typer(add_completion=False, rich_markup_mode=None, context_settings=CONTEXT)
    single.command(name, cls=Command)(function)
    return get_command(single)


def _wrapped(
    function: Callable[..., Any], shared: tuple[Callable[..., None], ...], runner: Callable[..., None]
) -> Callable[..., None]:
    """The function with the shared options in its signature, run between opening and showing."""
    _, *own = inspect.signature(function, eval_str=True).parameters.values()
    more = [p for donor in shared for p in inspect.signature(donor, eval_str=True).parameters.values()]
    context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)

    def command(context: typer.Context, **given: Any) -> None:
        options = {p.name: given.pop(p.name) for p in more if p.name in given}
        runner(function, context.find_root().obj, given, options)

    keyword = inspect.Parameter.KEYWORD_ONLY
    command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [context, *(p.replace(kind=keyword) for p in (*(p for p in own if p.name != "window"), *more))]
    )
    command.__doc__ = function.__doc__
    return command


def run(
    command: str,
    function: Body,
    settings: Settings,
    given: dict[str, Any],
    options: dict[str, Any],
    *,
    any_schema: bool = False,
    suffix: str = "",
) -> None:
    """Open the database, call the function at a desk, show its answer. `command` is its name, for the journal.

    With a `suffix` the answer has a format of its own, and files of that ending.
    """
    place = settings.place()  # before the store is imported: it says which driver that will need
    from streamctl.output.writer import sink
    from streamctl.store.database import Author, opened, terms

    dry_run = options.get("dry_run", False)
    where = destination(options.get("output"), owned(place, given))
    if suffix:
        check_only(where, suffix)
        check_no_format(where, FORMATS)
    format = None if suffix else chosen(options.get("format"), where, default_format())
    with (
        opened(place, wait=settings.timeout, dry_run=dry_run, any_schema=any_schema) as store,
        sink(where, lambda: store.changed) as target,
    ):
        now = terms()
        at = moment(settings, store, now.zone)
        store.author = Author(settings.who(), command, real_now, None if settings.as_of is None else at)
        brief = format == "table" or (format is None and target.terminal)
        desk = Desk(settings, now, at, dry_run, format, brief)
        if "columns" in options:
            given["window"] = desk.window(options["columns"], options["sort"], options["limit"])
        answer = function(desk, **given)
        style = out.Style(format, settings.quiet, dry_run, options.get("excel_safe", False), now.currency)
        out.show(pointed(answer, settings.typed_db), target, style)
        store.check_unchanged()
    refusal = answer.refusal() if isinstance(answer, Document) else isinstance(answer, Listing) and answer.refusal
    if refusal:
        raise refusal


def moment(settings: Settings, store: "Store", zone: "ZoneInfo") -> datetime:
    """The moment a command happens at. Raises ClockDiffers where the clock says it and can't be relied on."""
    if settings.as_of is None:
        store.check_clock()
    return settings.now(zone)


def found(function: Callable[..., Answer], settings: Settings, given: dict[str, Any], options: dict[str, Any]) -> None:
    """Call a function that works on the database file itself, and show its answer."""
    place = settings.place()
    from streamctl.output.writer import sink
    from streamctl.store.database import has_changed

    where = destination(options["output"], owned(place, given))
    format = chosen(options["format"], where, default_format())
    with sink(where, has_changed) as target:
        answer = function(settings, **given)
        out.show(
            pointed(answer, settings.typed_db),
            target,
            out.Style(format, settings.quiet, excel_safe=options["excel_safe"]),
        )


def owned(place: Path | str, given: dict[str, Any]) -> Callable[[Path], bool]:
    """Tells whether a path is one of the files of the database, or of another one that the command was given."""
    from streamctl.store.database import is_part_of

    databases = [place, *(value for value in given.values() if isinstance(value, Path))]
    return lambda path: any(is_part_of(database, path) for database in databases)
