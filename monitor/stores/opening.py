"""The one place that knows which store a site has: opens it, and says how far it has come without asking a server."""

from __future__ import annotations

from contextlib import closing

from monitor.journal.entries import Offset
from monitor.settings import Settings
from monitor.stores.base import Store

EMBEDDED_FILE = "store.db"


def open_store(settings: Settings, *, read_only: bool = False) -> Store:
    """The site's store. Raises StoreError if it cannot be opened; a server is asked only when something is wanted."""
    if settings.store.type == "influxdb":
        from monitor.stores.influx import InfluxStore

        most = settings.quarantine.max_size
        return InfluxStore(settings.store, settings.data_dir, read_only=read_only, most_rejected=most)
    from monitor.stores.embedded import EmbeddedStore

    return EmbeddedStore(settings.data_dir / EMBEDDED_FILE, read_only=read_only, keep=settings.store.keep)


def open_to_fill(settings: Settings) -> Store:
    """The same for the process that fills it: a server that may have been started anew is told again what it had."""
    store = open_store(settings)
    if settings.store.type == "influxdb":
        from monitor.stores.influx import InfluxStore

        assert isinstance(store, InfluxStore)
        store.tell_again()
    return store


def stored_offset(settings: Settings) -> Offset:
    """Up to where the journal is in the store. Raises StoreError if that cannot be told."""
    if settings.store.type == "influxdb":
        from monitor.stores.influx_progress import Progress

        return Progress(settings.data_dir, settings.store).load()
    with closing(open_store(settings, read_only=True)) as store:
        return store.offset()
