"""Others who write without a pause while something is done to the database, and what they were told is done."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

from program import Program


class Writers:
    """Every line that was acknowledged, by its key, and everything that went wrong."""

    def __init__(self) -> None:
        self.acknowledged: list[str] = []
        self.trouble: list[str] = []
        self.begun = [Event() for _ in range(2)]
        self.stopped = Event()

    def stop(self) -> None:
        """No more after the one that is under way."""
        self.stopped.set()

    def done(self) -> set[str]:
        """The keys whose answers have come by now."""
        return set(self.acknowledged)

    def _batch(self, program: Program) -> None:
        """A co-process: member 1 checks in and out, each event answered before the next."""
        command = [sys.executable, "-m", "streamctl", "stream", "batch", "-"]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, env=program.environment, stdin=pipe, stdout=pipe, stderr=pipe) as process:
            assert process.stdin
            assert process.stdout
            assert process.stderr
            number = 0
            while not self.stopped.is_set():
                key = f"batch-{number // 2}"
                action = ("checkin", "checkout")[number % 2]
                with suppress(BrokenPipeError):
                    process.stdin.write(json.dumps({"action": action, "member": 1, "ref": key}).encode() + b"\n")
                    process.stdin.flush()
                line = process.stdout.readline()
                if not line:
                    break
                if json.loads(line)["ok"]:
                    self.acknowledged.append(f"{action} {key}")
                number += 1
                self.begun[0].set()
            process.stdin.close()
            said = process.stderr.read().decode()
            if process.wait(60) not in (0, 4):  # a restore may take a stream away between its check-in and check-out
                self.trouble.append(said)
        self.begun[0].set()

    def _commands(self, program: Program) -> None:
        """One command after the other, a process each."""
        number = 0
        while not self.stopped.is_set():
            answer = program("stream", "checkin", 2, "--ref", f"command-{number}")
            if answer.status == 0:
                self.acknowledged.append(f"checkin command-{number}")
            else:
                self.trouble.append(answer.err)
            number += 1
            self.begun[1].set()
        self.begun[1].set()


@contextmanager
def writing(program: Program) -> Iterator[Writers]:
    """Two of them, a co-process of member 1 and commands of member 2, until the block ends or says stop."""
    process = Program(program.db, program.home, program.now)
    writers = Writers()
    threads = [Thread(target=body, args=(process,)) for body in (writers._batch, writers._commands)]
    for thread in threads:
        thread.start()
    try:
        for begun in writers.begun:
            begun.wait(60)
        yield writers
    finally:
        writers.stop()
        for thread in threads:
            thread.join()


def keys(program: Program) -> set[str]:
    """The keys of what is in the database, as writers know them."""
    found = program.sql("SELECT ref, closed_at FROM stream")
    return {f"checkin {ref}" for ref, _ in found} | {f"checkout {ref}" for ref, closed in found if closed}
