"""While a long statement runs: a person sees that it does, and how long it took; nobody else hears of it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

from program import Program

from streamctl.output import waiting

SLOW = """
import time
from streamctl.cli.desk import Desk
from streamctl.settings import Settings
with Desk(Settings(quiet={quiet}), None, None).working("Billing"):
    time.sleep({seconds})
"""


def seen(quiet: bool, seconds: float) -> str:
    """What stands on a terminal when the work takes so long."""
    leader, follower = pty.openpty()
    script = SLOW.format(quiet=quiet, seconds=seconds)
    environment = {"PATH": os.environ["PATH"], "TERM": "xterm"}
    process = subprocess.Popen([sys.executable, "-c", script], stderr=follower, stdout=follower, env=environment)
    os.close(follower)
    found = b""
    try:
        while chunk := os.read(leader, 65536):
            found += chunk
    except OSError:  # the program has gone
        pass
    os.close(leader)
    assert process.wait(30) == 0
    return found.decode()


def test_a_person_sees_the_time_pass_and_how_long_it_took() -> None:
    shown = seen(quiet=False, seconds=waiting.SOON + 1.2)
    assert "Billing" in shown
    assert "0:00:0" in shown
    assert shown.rstrip().endswith(" s.")


def test_what_is_quick_or_quiet_says_nothing() -> None:
    assert seen(quiet=False, seconds=0.1) == ""
    assert seen(quiet=True, seconds=waiting.SOON + 0.3) == ""


def test_off_a_terminal_nothing_is_said(member: Program) -> None:
    assert member("invoices", "generate", "--format", "json").err == ""
