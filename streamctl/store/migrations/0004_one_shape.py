"""One shape for all: the first migrations were edited after databases had been made with them.

An invoice is open while it has no number either.
"""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from peewee import IntegrityError, SqliteDatabase

BEFORE = ("0001_books", "0002_month_end", "0003_journal")
OPEN = (
    'CREATE UNIQUE INDEX invoice_open ON invoice ("user", month)'
    " WHERE status = 'OUT' AND issued_at IS NULL AND number IS NULL"
)


def up(migrator, db):
    if isinstance(db, SqliteDatabase):
        _in_sqlite(db)
    else:
        _in_postgresql(db)


def _in_sqlite(db):
    """Tables that differ are made again, as sqlite.org/lang_altertable.html says in section 7; foreign keys are off."""
    wanted, found = _wanted(db), _pieces(db)
    for (kind, name), (_, ddl) in found.items():
        if kind == "trigger" or (kind == "view" and ddl):  # they name tables that are gone for a moment
            db.execute_sql(f"DROP {kind} {_quoted(name)}")
    for (kind, name), (_, ddl) in wanted.items():
        if kind == "table" and found.get((kind, name), (name, ddl))[1] != ddl:
            _made_again(db, name, ddl)
    for key, (_, ddl) in wanted.items():
        kind, name = key
        if kind == "index" and _pieces(db).get(key, ("", ""))[1] != ddl:
            db.execute_sql(f"DROP INDEX IF EXISTS {_quoted(name)}")
            db.execute_sql(ddl)
    there = _pieces(db)
    for key, (_, ddl) in {**found, **wanted}.items():  # ours as they are to be, and what somebody has beside them
        if key not in there and key[0] != "table":
            db.execute_sql(ddl)


def _wanted(db):
    """What the migrations before this one make as they stand now, with this one's index."""

    class Blank(SqliteDatabase):
        field_types = db.field_types

    blank = Blank(":memory:")
    for name in BEFORE:
        spec = spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        module.up(None, blank)
    blank.execute_sql("DROP INDEX invoice_open")
    blank.execute_sql(OPEN)
    pieces = _pieces(blank)
    blank.close()
    return pieces


def _pieces(db):
    """Every part of the schema: what it works on, and the statement that makes it."""
    rows = db.execute_sql(
        "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE sql <> '' AND name <> 'sqlite_sequence'"
    )
    return {(kind, name): (table, ddl) for kind, name, table, ddl in rows}


def _made_again(db, name, ddl):
    new = f"new_{name}"
    db.execute_sql(ddl.replace(f'CREATE TABLE "{name}"', f'CREATE TABLE "{new}"', 1))
    if _columns(db, new) != _columns(db, name):  # somebody has added one: `db check` tells of it
        db.execute_sql(f'DROP TABLE "{new}"')
        return
    columns = ", ".join(map(_quoted, _columns(db, new)))
    copy = f'INSERT INTO "{new}" ({columns}) SELECT {columns} FROM "{name}"'
    try:
        db.execute_sql(copy)
    except IntegrityError as error:
        raise _about_its_row(db, name, copy, error) from None
    last = db.execute_sql("SELECT seq FROM sqlite_sequence WHERE name = ?", (name,)).fetchone()
    db.execute_sql(f'DROP TABLE "{name}"')
    db.execute_sql(f'ALTER TABLE "{new}" RENAME TO "{name}"')
    if last:
        db.execute_sql("DELETE FROM sqlite_sequence WHERE name = ?", (name,))
        db.execute_sql("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (name, *last))


def _columns(db, table):
    return [column[1] for column in db.execute_sql(f'PRAGMA table_xinfo("{table}")')]


def _about_its_row(db, name, copy, error):
    """The error with the row that breaks the rule."""
    for (row,) in db.execute_sql(f'SELECT rowid FROM "{name}"').fetchall():
        try:
            db.execute_sql(f"{copy} WHERE rowid = ?", (row,))
        except IntegrityError as found:
            return IntegrityError(f"{name} {row} breaks a rule that it was not held to: {found}")
    return error


def _quoted(name):
    return '"' + name.replace('"', '""') + '"'


def _in_postgresql(db):
    """Functions that mean the same whatever is in the path of whoever writes."""
    for statement in (
        "DROP INDEX IF EXISTS invoice_open",
        OPEN,
        "DROP INDEX IF EXISTS journal_undoes",
        "CREATE UNIQUE INDEX journal_undoes ON journal (undoes) WHERE undoes IS NOT NULL",
    ):
        db.execute_sql(statement)
    ((schema,),) = db.execute_sql("SELECT pg_catalog.quote_ident(pg_catalog.current_schema()::text)")
    added, removed = "SELECT invoice, amount FROM added", "SELECT invoice, -amount AS amount FROM removed"
    bodies = {
        "invoice_line_added": _summed(schema, added),
        "invoice_line_changed": _summed(schema, f"{added} UNION ALL {removed}"),
        "invoice_line_removed": _summed(schema, removed),
        **{
            f"{rule_of}_kept": f"RAISE EXCEPTION '{rule}' USING ERRCODE = 'check_violation', CONSTRAINT = '{rule}'"
            for rule_of, rule in (("invoice", "issued"), ("journal", "journal_kept"))
        },
    }
    for name, body in bodies.items():
        end = "; RETURN NULL" if name.startswith("invoice_line") else ""
        db.execute_sql(
            f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql"
            f" SET search_path = pg_catalog, pg_temp AS $$BEGIN {body}{end}; END$$"
        )


def _summed(schema, parts):
    sums = f"SELECT invoice, pg_catalog.sum(amount)::pg_catalog.int8 AS amount FROM ({parts}) part GROUP BY invoice"
    return (
        f"UPDATE {schema}.invoice SET amount = invoice.amount + total.amount FROM ({sums}) total"
        " WHERE invoice.id = total.invoice AND total.amount <> 0"
    )
