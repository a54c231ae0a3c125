"""A schema or a server that others have a say in: what they plant is not called, what they set does not hold."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

import pytest
from inside import Inside
from program import Program
from shell import Shell

pytestmark = pytest.mark.postgresql("a file has no roles")
IN_PROCESS = True
# For every pair of types a function of each name and an operator of each sign that raise: a closer match than what is
# built in wherever that would have to convert.
PLANT = """
    DO $do$
    DECLARE one text; other text; called text; sign text; types text[] := ARRAY['text', 'varchar', 'name',
        '"char"', 'int2', 'int4', 'int8', 'numeric', 'date', 'timestamptz', 'bool', 'oid',
        'regclass', 'regnamespace'];
    raises text := 'LANGUAGE plpgsql IMMUTABLE AS ''BEGIN RAISE EXCEPTION ''''planted''''; END''';
    BEGIN
        FOREACH one IN ARRAY types LOOP
            FOREACH called IN ARRAY ARRAY['count', 'sum', 'max', 'min', 'length', 'lower', 'to_char', 'hashtext',
                'quote_ident', 'current_setting', 'to_regclass', 'pg_advisory_xact_lock', 'pg_total_relation_size',
                'pg_advisory_xact_lock_shared', 'pg_get_indexdef', 'pg_get_triggerdef', 'pg_get_functiondef'] LOOP
                EXECUTE format('CREATE FUNCTION %I(%s) RETURNS int8 %s', called, one, raises);
            END LOOP;
            FOREACH other IN ARRAY types LOOP
                FOREACH called IN ARRAY ARRAY['hashtextextended', 'string_agg', 'date_part', 'substr', 'set_config',
                    'pg_advisory_xact_lock', 'pg_advisory_xact_lock_shared', 'pg_get_serial_sequence'] LOOP
                    EXECUTE format('CREATE FUNCTION %I(%s, %s) RETURNS int8 %s', called, one, other, raises);
                END LOOP;
                EXECUTE format('CREATE FUNCTION decides(%s, %s) RETURNS bool %s', one, other, raises);
                EXECUTE format('CREATE FUNCTION adds(%s, %s) RETURNS %s %s', one, other, one, raises);
                FOREACH sign IN ARRAY ARRAY['=', '<>', '<', '<=', '>', '>=', '~~', '~~*'] LOOP
                    EXECUTE format('CREATE OPERATOR %s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = decides)',
                        sign, one, other);
                END LOOP;
                FOREACH sign IN ARRAY ARRAY['+', '-', '*', '/', '||'] LOOP
                    EXECUTE format('CREATE OPERATOR %s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = adds)',
                        sign, one, other);
                END LOOP;
            END LOOP;
        END LOOP;
        CREATE FUNCTION current_schema() RETURNS name LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''planted''; END';
    END $do$
"""


@contextmanager
def role(program: Program, name: str) -> Iterator[str]:
    """A role of that name and of this test's own schema; gone afterwards with all that is theirs."""
    (schema,) = program.sql("SELECT current_schema()")[0]
    full = f"{name}_{schema}"
    program.sql(f"CREATE ROLE {full} LOGIN")
    try:
        program.sql(f"GRANT USAGE, CREATE ON SCHEMA {schema} TO {full}")
        yield full
    finally:
        program.sql(f"DROP OWNED BY {full} CASCADE")
        program.sql(f"DROP ROLE {full}")


def in_turn(program: Inside) -> Iterator[tuple[tuple[object, ...], str]]:
    """Commands of every kind, and what each says on standard error where it does not work."""
    period = ("--start", "2026-11-01", "--end", "2026-12-01")
    for words in (
        ("members", "add", "ann@example.com", "--credits", 5, "--fee", "9.90", *period),
        ("stream", "checkin", 1, "--ref", "a", "--lease", "30m", "--device", "tv"),
        ("stream", "checkin", 1, "--ref", "a", "--lease", "30m", "--device", "tv"),
        ("stream", "checkin", "ann@example.com"),
        ("stream", "heartbeat", 1),
        ("stream", "takeover", 1, "--oldest"),
        ("stream", "checkout", 1, "--all"),
        ("stream", "expire", "--idle", "1h"),
        ("stream", "why", 1),
        ("stream", "list", "--all"),
        ("invoices", "create", 2, "--amount", 5, "--date", "2026-10-01"),
        ("lines", "add", 2, "--amount", 2, "--key", "k"),
        ("lines", "update", 1, "--amount", 3),
        ("invoices", "generate", "--month", "2026-11"),
        ("invoices", "issue", "--month", "2026-11", "--force"),
        ("invoices", "pay", 1),
        ("invoices", "overdue"),
        ("invoices", "list", "--min", 1, "--month", "2026-11"),
        ("invoices", "show", 1),
        ("invoices", "render", 1),
        ("lines", "list", "--member", 1),
        ("members", "show", 1),
        ("members", "list", "--sort", "-email"),
        ("members", "update", 2, "--name", "Ann"),
        ("members", "cancel", 2),
        ("report", "revenue"),
        ("report", "ageing"),
        ("report", "usage"),
        ("log", "list", "--member", 1),
        ("log", "show", 1),
        ("db", "info"),
        ("db", "check"),
        ("db", "check", "--repair"),
        ("db", "set", "seller_note", "x"),
        ("db", "dump", "--output", "dump.json"),
        ("db", "backup", "backup.db"),
        ("db", "restore", "backup.db", "--force", "--yes"),
        ("db", "move", "--to", "file.db"),
    ):
        answer = program(*words)
        yield words, answer.err if answer.status else ""


def test_no_function_or_operator_that_another_role_planted_is_called(nothing: Program) -> None:
    """Fails when a built-in is called by its bare name, with a type that it would have to convert."""
    program = Inside(nothing.db, nothing.home)
    with role(program, "mallory") as mallory:
        with Shell(str(nothing.db).replace("//postgres@", f"//{mallory}@")) as shell:
            shell.execute(PLANT)
        assert "planted" in _refused(program, "SELECT hashtext(current_schema()::name)")
        program.ok("db", "init", "--timezone", "UTC")
        program.ok("members", "add", "bob@example.com", "--start", "2026-11-01", "--end", "2026-12-01")
        assert {words: said for words, said in in_turn(program) if said} == {}


def _refused(program: Program, statement: str) -> str:
    try:
        return str(program.sql(statement))
    except Exception as error:  # noqa: BLE001
        return str(error)


def test_deadlines_that_an_admin_set_for_the_role_do_not_end_a_long_command(member: Program) -> None:
    """Fails when a statement or a transaction of ours may only take as long as somebody else's."""
    member.sql(
        "CREATE FUNCTION planted() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM pg_sleep(0.4); RETURN NEW; END$$"
    )
    member.sql("CREATE TRIGGER planted BEFORE INSERT ON invoice FOR EACH ROW EXECUTE FUNCTION planted()")
    with role(member, "clerk") as clerk:
        (schema,) = member.sql("SELECT current_schema()")[0]
        member.sql(f"GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO {clerk}")
        for name in ("statement_timeout", "idle_in_transaction_session_timeout", "transaction_timeout"):
            member.sql(f"ALTER ROLE {clerk} SET {name} = '200ms'")
        program = Inside(str(member.db).replace("//postgres@", f"//{clerk}@"), member.home)
        assert program.ok("invoices", "create", 1)["id"] == 1


@pytest.mark.parametrize(
    "columns",
    ["version text, rank int", "id serial, name varchar(255), applied timestamp"],
    ids=["of other columns", "of another program's names"],
)
def test_another_programs_history_before_ours_is_one_clear_line(member: Program, columns: str) -> None:
    (schema,) = member.sql("SELECT current_schema()")[0]
    other = f"{schema}_other"
    member.sql(f"CREATE SCHEMA {other}")
    try:
        member.sql(f"CREATE TABLE {other}.schema_migration ({columns})")
        if "name" in columns:
            member.sql(f"INSERT INTO {other}.schema_migration (name, applied) VALUES ('add_users', now())")
        both = Inside(str(member.db).replace(f"%3D{schema}", f"%3D{other},{schema}"), member.home)
        alone = Inside(str(member.db).replace(f"%3D{schema}", f"%3D{other}"), member.home)
        for program in (both, alone):
            for words in ("members list", "stream checkin 1", "db init", "db info", "db check", "db migrate"):
                answer = program(*words.split())
                error, hint = answer.err.splitlines()
                assert (answer.status, answer.out) == (6, ""), answer
                assert f"a schema ({other}) in which schema_migration is another program's table" in error
                assert "search_path" in hint
        words = shlex.split(both("db", "info").err.partition("streamctl ")[2])[1:]
        assert words[1:] == ["db", "info"]
        assert Inside(words[0], member.home)("db", "info").status == 0
        made = alone("db", "info").err
        assert f"psql {shlex.quote(str(alone.db))} -c 'CREATE SCHEMA streamctl'; then" in made
        assert "search_path%3Dstreamctl' db init" in made
        assert both("db", "info", "--format", "json").error["code"] == "not_ours"
        assert member.sql(f"SELECT count(*) FROM {other}.schema_migration")[0][0] == int("name" in columns)
    finally:
        member.sql(f"DROP SCHEMA {other} CASCADE")


def test_a_schema_of_any_name_is_ours_all_the_same(nothing: Program) -> None:
    (schema,) = nothing.sql("SELECT current_schema()")[0]
    quoted = f'"{schema} ""Odd%s"'
    nothing.sql(f"CREATE SCHEMA {quoted}")
    try:
        path = quote(f"-csearch_path={quoted}".replace(" ", "\\ "))
        program = Inside(re.sub("options=.*", lambda _: f"options={path}", str(nothing.db)), nothing.home)
        program.ok("db", "init", "--timezone", "UTC")
        program.ok("members", "add", "bob@example.com", "--start", "2026-11-01", "--end", "2026-12-01")
        assert {words: said for words, said in in_turn(program) if said} == {}
        assert program.ok("db", "info")["bytes"] > 0
    finally:
        nothing.sql(f"DROP SCHEMA {quoted} CASCADE")
