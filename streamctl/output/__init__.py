"""How rows look: the format is chosen here, once. Nothing heavy is imported before it is needed."""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple

from streamctl.domain.records import Answer, Column, Document, Listing, Record
from streamctl.output.formats import Format
from streamctl.output.writer import Sink, say

DRY_RUN = Column("dry_run", "bool", brief=False)


class Style(NamedTuple):
    """What was asked of the output. `format` is None when nobody chose one."""

    format: Format | None
    quiet: bool = False
    dry_run: bool = False
    excel_safe: bool = False
    currency: str = "USD"


def show(answer: Answer | Document, sink: Sink, style: Style) -> None:
    """Write the answer: as the chosen format, or a sentence or table on a terminal and TSV elsewhere."""
    sink.again = answer.again
    with sink.guarded():
        try:
            if isinstance(answer, Document):
                sink.done_to = answer.done_to
                sink.write(answer.parts, live=answer.live)
            else:
                _show(answer, sink, style)
            sink.finish()
        finally:  # what is read as it is written must let go of the database first
            rows = getattr(answer, "parts", None) or getattr(answer, "rows", None)
            if isinstance(rows, Generator):
                rows.close()


def _show(answer: Answer, sink: Sink, style: Style) -> None:
    if answer.sentence and style.format is None:
        if style.quiet:
            return
        if sink.terminal:
            _say(answer.sentence, sink, style)
            return
    if style.dry_run:
        answer = _marked(answer)
    chosen = style.format or ("table" if sink.terminal else "tsv")
    if isinstance(answer, Record) and chosen == "json":
        from streamctl.output import jsontext

        sink.write([f"{jsontext.record(answer.columns, answer.row, style.currency)}\n"])
    elif isinstance(answer, Record) and chosen == "table":
        from streamctl.output import table

        table.print_record(answer, style.currency, sink.file)
    else:
        _show_listing(_as_listing(answer), chosen, sink, style)


def _show_listing(listing: Listing, chosen: Format, sink: Sink, style: Style) -> None:
    currency = style.currency
    if chosen == "table":
        from streamctl.output import table

        table.print_listing(listing, currency, sink.file)
    elif chosen in ("json", "jsonl"):
        from streamctl.output import jsontext

        sink.write(jsontext.array(listing, currency) if chosen == "json" else jsontext.lines(listing, currency))
    else:
        from streamctl.output import delimited

        if chosen == "ids":
            sink.write(delimited.id_lines(listing, currency, for_terminal=sink.terminal))
        else:
            lines = delimited.csv_lines if chosen == "csv" else delimited.tsv_lines
            sink.write(lines(listing, currency, for_terminal=sink.terminal, excel_safe=style.excel_safe))
    if listing.total is not None and listing.limit is not None and listing.total > listing.limit and not style.quiet:
        say(f"{listing.limit} of {listing.total}")


def _as_listing(answer: Answer) -> Listing:
    return Listing(answer.columns, [answer.row]) if isinstance(answer, Record) else answer


def _marked(answer: Answer) -> Answer:
    columns = (*answer.columns, DRY_RUN)
    if isinstance(answer, Record):
        return answer._replace(columns=columns, row=(*answer.row, True))
    return answer._replace(columns=columns, rows=((*row, True) for row in answer.rows))


def _say(sentence: str, sink: Sink, style: Style) -> None:
    from streamctl.output.safety import safe

    before = "Dry run, nothing is changed: " if style.dry_run else ""
    sink.write([f"{before}{safe(sentence)}\n"])
