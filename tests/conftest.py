"""What tests share: the program on a database, and that database opened in this process."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from inside import Inside
from program import NOW, ROOT, Answer, Program

from streamctl.store.database import Store, opened

__all__ = ["NOW", "ROOT", "Answer", "Program"]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database in UTC and USD, made once by the program itself."""
    home = tmp_path_factory.mktemp("template")
    program = Program(home / "empty.db", home)
    made = program("db", "init", "--timezone", "UTC")
    assert made.status == 0, made.err
    return program.db


@pytest.fixture
def nothing(tmp_path: Path, request: pytest.FixtureRequest) -> Program:
    """The program where there is no database yet. A module that says `IN_PROCESS` gets it without the processes."""
    kind = Inside if getattr(request.module, "IN_PROCESS", False) else Program
    return kind(tmp_path / "streamctl.db", tmp_path)


@pytest.fixture
def program(template: Path, nothing: Program) -> Program:
    """The program on an empty database."""
    shutil.copyfile(template, nothing.db)
    nothing.db.chmod(0o600)
    return nothing


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
        yield found
