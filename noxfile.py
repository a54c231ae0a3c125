"""What is run before anything lands: `nox` runs lint, types and tests. `nox -s bench` measures, `-s torture` breaks."""

from pathlib import Path

import nox

nox.needs_version = ">=2025.5"
nox.options.sessions = ["lint", "types", "tests"]
nox.options.default_venv_backend = "venv"

PROJECT = nox.project.load_toml("pyproject.toml")


def group(name: str) -> list[str]:
    """The packages of one of pyproject's dependency groups."""
    return nox.project.dependency_groups(PROJECT, name)


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff's rules and format, and the arrows between the rooms."""
    session.install(*group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports", "--no-cache")


@nox.session
def types(session: nox.Session) -> None:
    """mypy, strict."""
    session.install("-e", ".", *group("types"))
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """Every test, the real program in real processes."""
    session.install("-e", ".", *group("test"))
    session.run("pytest", *(session.posargs or ["--numprocesses", "auto"]))


@nox.session
def bench(session: nox.Session) -> None:
    """Start-up against the bare imports, batch and month against bare statements, both engines side by side."""
    session.install(".[postgres]", *group("test"), env={"PIP_NO_COMPILE": "0"})
    for what in ("startup", "batch", "generate"):
        session.run("python", f"tests/bench/{what}.py", success_codes=[0, 1])
    session.run("python", "tests/bench/engines.py", success_codes=[0, 1])


@nox.session
def torture(session: nox.Session) -> None:
    """Kill, crowd, fill the disk and lie, for ten minutes: a figure a line, and a script fails on a broken promise."""
    session.install("-e", ".", *group("test"))
    for script in sorted(Path("tests/torture").glob("*.py")):
        session.run("python", str(script))
