"""What tests share: the program on a database, and that database opened in this process; on both engines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from author import AUTHOR
from inside import Inside
from places import ENGINES, empty, keep, nowhere, put
from program import NOW, ROOT, Answer, Program

from streamctl.store.database import Store, opened

__all__ = ["NOW", "ROOT", "Answer", "Program"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that touches a database runs on both engines, unless it or its module is marked as being about one."""
    if "engine" in metafunc.fixturenames:
        about = {mark.name: mark.args for mark in metafunc.definition.iter_markers() if mark.name in ENGINES}
        assert all(len(args) == 1 for args in about.values()), f"{metafunc.definition.nodeid} does not say why"
        metafunc.parametrize("engine", [name for name in ENGINES if not about or name in about], scope="session")


@pytest.fixture
def nothing(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Program]:
    """The program where there is no database yet, without the processes where the module says `IN_PROCESS`.

    That is True, or the one engine on which they are left out.
    """
    kind = Inside if getattr(request.module, "IN_PROCESS", False) in (True, engine) else Program
    with nowhere(engine, tmp_path) as place:
        yield kind(place, tmp_path)


@pytest.fixture
def program(engine: str, nothing: Program) -> Program:
    """The program on an empty database."""
    put(empty(engine), nothing.db)
    return nothing


@pytest.fixture
def elsewhere(engine: str, nothing: Program) -> Iterator[Callable[[], Program]]:
    """The same program where there is no database yet, another place at every call."""
    numbers = count(1)
    with ExitStack() as places:

        def another() -> Program:
            folder = nothing.home / f"elsewhere{next(numbers)}"
            folder.mkdir()
            return replace(nothing, db=places.enter_context(nowhere(engine, folder)))

        yield another


@pytest.fixture
def twin(program: Program, elsewhere: Callable[[], Program]) -> Callable[[], Program]:
    """The same program on a copy of its database as it stands, another copy at every call."""

    def copy() -> Program:
        other = elsewhere()
        put(keep(program), other.db)
        return other

    return copy


@pytest.fixture
def member(program: Program) -> Program:
    """The program on a database with member 1, bob@example.com: three credits, a fee of 9.90, the whole of 2026-11."""
    program.ok(
        *("members", "add", "bob@example.com", "--name", "Bob", "--credits", 3, "--fee", "9.90"),
        *("--start", "2026-11-01", "--end", "2026-12-01"),
    )
    return program


@pytest.fixture
def store(program: Program) -> Iterator[Store]:
    """The empty database opened in this process, for services and views called directly."""
    with opened(program.db) as found:
        found.author = AUTHOR
        yield found
