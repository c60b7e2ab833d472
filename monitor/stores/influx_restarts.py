"""Whether an InfluxDB that was silent was started anew, and so may have forgotten what it confirmed last."""

from __future__ import annotations

from monitor.clock import elapsed
from monitor.stores.influx_progress import REACH
from monitor.stores.influx_server import InfluxServer
from rules.events import Duration


class Restarts:
    """What one writer knows of the process that takes its writes. Until it asks for the first time, nothing."""

    def __init__(self, server: InfluxServer) -> None:
        self._server = server
        self._started: str | None = None
        self._unsure = True
        self._suspected: Duration | None = None

    def silent(self) -> None:
        """A write got no answer: before the next one somebody has to ask."""
        self._unsure = True

    def happened(self) -> bool:
        """Before a write: is it another process than the one that took those before the silence?

        One that does not say counts as another, though no more than once in REACH: a way to it that fails again and
        again would else have it told the same for ever.

        Raises:
            AwayError: there is still no answer.
        """
        if not self._unsure:
            return False
        before, now = self._started, self._server.started()
        self._started = now or before or ""
        self._unsure = False
        if before is None:
            return False
        return before != now if before and now else self._suspect()

    def _suspect(self) -> bool:
        if self._suspected is not None and elapsed() - self._suspected < REACH:
            return False
        self._suspected = elapsed()
        return True
