"""A site under test: written, run as `andon run` in a process group of its own, killed and started again at will."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import pytest

from monitor.database.queries import AlarmReader
from monitor.errors import AndonError
from monitor.journal.disk import RESERVE_FILE
from monitor.journal.reader import journal_end
from monitor.settings import Settings
from monitor.site import load_site
from monitor.stores.base import StoreError
from monitor.stores.opening import open_store, stored_offset
from rules.alarms import Transition
from tests.services.ports import free_port

POLL_SECONDS = 0.05
LOG_SHOWN = 6_000  # characters of its end, when a test waited in vain


def until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait for a condition; fail, saying what did not come, when the time is up."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            site = RunningSite.latest
            pytest.fail(f"waited {seconds:g} s for {what}; {site.tail if site else 'no site was started'}")
        time.sleep(POLL_SECONDS)


class RunningSite:
    """`start` and `kill` as often as a test likes; `settle` waits until all that arrived is decided, stored and sent."""

    latest: ClassVar[RunningSite | None] = None

    def __init__(
        self,
        directory: Path,
        broker: str,
        rules: str,
        gateways: str,
        *,
        hook: str = "console://",
        assets: str = "",
        store: str = "{type: embedded}",
    ) -> None:
        self.directory = directory
        self.data = directory / "data"
        (directory / "rules").mkdir(parents=True)
        (directory / "rules" / "rules.yaml").write_text(rules)
        if assets:
            (directory / "assets.yaml").write_text(assets)
        self.web = free_port()
        (directory / "andon.yaml").write_text(
            f"site: test\ndata_dir: data\n{broker if 'brokers:' in broker else f'broker: {broker}'}\n"
            f"store: {store}\ngateways:\n{gateways}\n"
            f'notify: {{teams: {{all: {{channels: ["{hook}"]}}}}, routes: [{{match: {{}}, to: all}}]}}\n'
            f"web: {{port: {self.web}}}\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What the monitor has written so far."""
        return (self.directory / "log").read_text(errors="replace")

    @property
    def tail(self) -> str:
        """The end of its log, for the message of a test that waited in vain; a later test may have removed it."""
        try:
            return f"the log ends with:\n{self.log[-LOG_SHOWN:]}"
        except OSError:
            return f"{self.directory} is gone"

    @property
    def traceback(self) -> str:
        """The first error that nobody caught, with what was logged right before and after; empty if there was none."""
        before, found, after = self.log.partition("Traceback")
        return found and before[-2_000:] + found + after[:6_000]

    @property
    def status(self) -> int | None:
        """The exit status of the last run that has ended."""
        return None if self._process is None else self._process.returncode

    @property
    def pid(self) -> int:
        """Of the supervisor; 0 before the first start."""
        return self._process.pid if self._process is not None else 0

    def start(self) -> None:
        """Start the monitor; it may take a moment until it is connected."""
        RunningSite.latest = self
        command = [sys.executable, "-m", "monitor.cli", "run", "--site", str(self.directory)]
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )

    def child(self, name: str) -> int | None:
        """The process id of the line, the store writer or the web, if it runs."""
        return next((pid for pid, command in self._processes() if name.encode() in command), None)

    def kill_child(self, name: str) -> None:
        """`kill -9` of one of the three, as soon as it runs."""
        until(lambda: self.child(name) is not None, 60, f"the process {name}")
        os.kill(self.child(name) or 0, signal.SIGKILL)

    def kill_supervisor(self) -> None:
        """`kill -9` of it alone; its children have to end by themselves."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)
        until(lambda: not list(self._processes()), 60, "the children to follow their supervisor")

    def _processes(self) -> Iterator[tuple[int, list[bytes]]]:
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                command = (entry / "cmdline").read_bytes().split(b"\0")
                if b"monitor.processes" in command and bytes(self.directory) in command:
                    yield int(entry.name), command

    def kill(self) -> None:
        """`kill -9` of the whole process group, if it runs."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)

    def __enter__(self) -> Self:
        """Itself; whatever runs at the end of the block is killed."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave no process behind, and no reserve of the disk."""
        self.kill()
        (self.data / RESERVE_FILE).unlink(missing_ok=True)

    def stop(self) -> None:
        """Ask it to end, as a service manager would."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(10)

    @cached_property
    def settings(self) -> Settings:
        """As the monitor reads them."""
        site = load_site(self.directory, {}).site
        assert site is not None
        return site.settings

    def hang_up(self) -> None:
        """Ask it to read its configuration again, as a service manager would."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def received(self) -> int:
        """Journal entries so far."""
        return journal_end(self.data / "journal")

    def stored(self) -> int:
        """Readings in the store; 0 as long as there is none."""
        try:
            with closing(open_store(self.settings, read_only=True)) as store:
                return store.count()
        except StoreError:
            return 0

    def settled(self) -> bool:
        """Whether decider and store have caught up with the journal, and nothing waits in the outbox."""
        try:
            end = self.received()
            stored = stored_offset(self.settings)
            with closing(AlarmReader(self.data / "alarms.db")) as alarms:
                pending = sum(n for (_, state), n in alarms.outbox_counts().items() if state == "pending")
                return bool(end == stored == alarms.position() and not pending and not alarms.holding())
        except AndonError:
            return False

    def health(self) -> dict[str, Any]:
        """The hops as /health has them by name, none if it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.web}/health", timeout=5) as answer:
                return dict(json.load(answer)["hops"])
        except urllib.error.HTTPError as error:
            return dict(json.load(error)["hops"])
        except OSError:
            return {}

    def hop_status(self, hop: str) -> str:
        """`ok`, `degraded`, `ill`, or nothing while nobody answers."""
        return str(self.health().get(hop, {}).get("status", ""))

    def verdicts(self) -> dict[str, str]:
        """By transition id, why somebody was told or nobody was."""
        with closing(AlarmReader(self.data / "alarms.db")) as alarms:
            return alarms.verdicts()

    def transitions(self) -> list[Transition]:
        """All that were committed, in order."""
        with closing(AlarmReader(self.data / "alarms.db")) as alarms:
            found: list[tuple[int, Transition]] = []
            while rows := alarms.transitions_after(found[-1][0] if found else 0, 10_000):
                found += rows
            return [transition for _, transition in found]
