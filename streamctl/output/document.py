"""Invoices as documents: HTML, text or JSON, one after the other or each in a file of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from streamctl.domain import money
from streamctl.domain.documents import BILL, LINE_GROUP, RECIPIENT, SELLER, Paper, Papers
from streamctl.domain.records import Column, Listing
from streamctl.errors import BadValue, ExtraMissing, counted, quoted_path, shell_quoted
from streamctl.output import jsontext
from streamctl.output.destination import Destination, destination
from streamctl.output.formats import check_no_format, check_only
from streamctl.output.letter import text
from streamctl.output.progress import progress
from streamctl.output.sheet import sheet
from streamctl.output.writer import sink

if TYPE_CHECKING:
    from jinja2 import Template

Form = Literal["html", "text", "json"]
ENDINGS: dict[str, Form] = {".html": "html", ".htm": "html", ".txt": "text", ".json": "json"}
SUFFIXES: dict[Form, str] = {"html": ".html", "text": ".txt", "json": ".json"}
WRITTEN = (Column("id", "id"), Column("file"))
MOST_IN_A_NAME = 200  # characters


def is_folder(output: str | None) -> bool:
    """Whether that is where each document gets a file of its own: it ends in / or is a folder."""
    with suppress(OSError, RuntimeError, ValueError):
        return output not in (None, "", "-") and (output.endswith("/") or Path(output).expanduser().is_dir())
    return False


def form(asked: Form | None, where: Destination) -> Form:
    """What to make: what was asked for, what the file's ending says, or HTML.

    Raises BadValue for a PDF, and for a file whose name promises what is not made.
    """
    if where.ending == ".pdf":
        raise BadValue(
            "A PDF is what a browser prints from the HTML.",
            "Render x.html, then: chromium --headless --no-pdf-header-footer --print-to-pdf=x.pdf x.html",
        )
    check_only(where, *ENDINGS, asked=asked is not None)
    if asked is not None:
        return asked
    check_no_format(where, tuple(SUFFIXES), "--to")
    return ENDINGS.get(where.ending, "html")


def parts(papers: Papers, form: Form) -> Iterator[str]:
    """The documents one after the other: pages of one HTML, text between form feeds, JSON. Raises ExtraMissing."""
    match form:
        case "html":
            return _html(_template(), papers)
        case "text":
            return _text(papers)
        case "json":
            return _json(papers)


def into(folder: str, papers: Papers, form: Form, own_files: Callable[[Path], bool], *, quiet: bool = False) -> Listing:
    """Write each document into a file of its own in the folder, which is made if it is missing; which is where.

    Raises ExtraMissing and BadValue before there is a file, OutputFailed.
    """
    if form == "html":
        _template()
    written: list[tuple[int, str]] = []
    try:
        base = Path(folder).expanduser()
        if papers.number:
            _make(base)
    except (OSError, RuntimeError, ValueError) as error:
        why = getattr(error, "strerror", str(error).rstrip("."))
        raise BadValue(f"{quoted_path(folder)} can't be made: {why}.") from None
    with progress("Rendering", papers.number, quiet=quiet) as advance:
        for paper in papers.each:
            file = str(base / f"{name_of(paper)}{SUFFIXES[form]}")
            with sink(destination(file, own_files), lambda: False) as target, target.guarded():
                target.write(parts(papers._replace(number=1, each=[paper], single=True), form))
            written.append((paper.invoice.id, file))
            advance()
    sentence = f"Rendered {counted(len(written), 'invoice')} into {folder.rstrip('/')}/."
    return Listing(WRITTEN, written, sentence=sentence, again=f"ls {shell_quoted(str(base))}")


def name_of(paper: Paper) -> str:
    """A file name that no other invoice has: its number, what a file system might mind as %XX, or `invoice-<id>`."""
    from urllib.parse import quote

    number, own = paper.invoice.number, f"invoice-{paper.invoice.id}"
    if not number:
        return own
    name = re.sub(r"^\.", "%2E", quote(number, safe=""))
    if re.fullmatch("invoice-[0-9]+", name):  # another's, which has no number
        name = name.replace("-", "%2D")
    return name if len(name) <= MOST_IN_A_NAME else f"{name[:MOST_IN_A_NAME]}%-{own}"


def _make(folder: Path) -> None:
    """Make the folder and what is missing above it, each for its owner alone."""
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def _json(papers: Papers) -> Iterator[str]:
    if papers.single:
        yield from (f"{_object(paper)}\n" for paper in papers.each)
        return
    before = "["
    for paper in papers.each:
        yield f"{before}\n{_object(paper)}"
        before = ","
    yield "[]\n" if before == "[" else "\n]\n"


def _object(paper: Paper) -> str:
    currency = paper.currency
    members = {
        "seller": jsontext.record(SELLER, paper.seller, currency),
        "member": jsontext.record(RECIPIENT, paper.member, currency),
        "invoice": jsontext.record(BILL, paper.invoice, currency),
        "currency": jsontext.text(currency),
        "groups": f"[{', '.join(jsontext.record(LINE_GROUP, group, currency) for group in paper.groups)}]",
        "total": money.exact(paper.total, currency),
    }
    return f"{{{', '.join(f'{jsontext.text(name)}: {value}' for name, value in members.items())}}}"


def _text(papers: Papers) -> Iterator[str]:
    between = ""
    for paper in papers.each:
        yield between
        yield from text(sheet(paper))
        between = "\f"


def _html(template: Template, papers: Papers) -> Iterator[str]:
    if papers.number > 1:
        title = f"Invoices {papers.month}" if papers.month else f"{papers.number} invoices"
        return template.generate(title=title, sheets=map(sheet, papers.each), paged=False)
    (one,) = map(sheet, papers.each)
    return template.generate(title=f"Invoice {one.reference}", sheets=[one], paged=True)


@lru_cache
def _template() -> Template:
    """The HTML around a document's words. Raises ExtraMissing."""
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError:
        raise ExtraMissing("HTML", "Jinja2", "render") from None
    loader = FileSystemLoader(Path(__file__).parent)
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined).get_template("invoice.html")
