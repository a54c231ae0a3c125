"""What `invoices render` does between the invoices and their documents."""

import gc
from typing import TYPE_CHECKING, Any

from streamctl import output as out
from streamctl.cli.command import Finding, moment, owned
from streamctl.cli.desk import Desk
from streamctl.domain.records import Answer, Document
from streamctl.output.destination import destination
from streamctl.output.formats import chosen
from streamctl.settings import Settings, default_format

if TYPE_CHECKING:
    from streamctl.domain.documents import Papers


def render(function: Finding, settings: Settings, given: dict[str, Any], options: dict[str, Any]) -> None:
    """Open the database, call the function at a desk, and write the documents of what it found, in one consistent view.

    Into a folder they go a file each, and the answer is where; otherwise they are the answer.
    """
    database = settings.place()
    from streamctl.output import document
    from streamctl.output.writer import sink
    from streamctl.store.database import opened, snapshot, terms

    place, into = options["output"], document.is_folder(options["output"])
    own_files = owned(database, given)
    where = destination(None if into else place, own_files)
    form = document.form(options["to"], where)
    gc.freeze()  # what start-up made is there to stay
    gc.enable()
    style = out.Style(chosen(None, where, default_format()) if into else None, settings.quiet)
    with opened(database, wait=settings.timeout) as store, snapshot():
        now = terms()
        desk = Desk(settings, now, moment(settings, store, now.zone))
        papers = function(desk, **given)
        _tell(desk, papers)
        if not (papers.number or into or form == "json"):
            return
        answers: list[Answer | Document] = []
        with sink(where, lambda: into and bool(answers)) as target:
            if into:
                answers.append(document.into(place, papers, form, own_files, quiet=settings.quiet))
            else:
                answers.append(Document(document.parts(papers, form)))
            out.show(answers[0], target, style)


def _tell(desk: Desk, papers: "Papers") -> None:
    """Say what is missing of the documents."""
    if not papers.number:
        desk.note(f"There is no invoice to render in {papers.month}.")
    elif not papers.seller.name:
        desk.note("The documents name no seller; see how to name yourself with: streamctl db set --help")
