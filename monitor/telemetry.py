"""What the monitor says of itself: log lines (structlog) and Prometheus counters of every hop, over all its processes.

Each process names itself in ANDON_PROCESS and shares its metrics in PROMETHEUS_MULTIPROC_DIR; the supervisor sets both
before this module is imported. Files are named by process, not by pid: a restarted child goes on counting where the
last one ended, and restarts leave no files behind.
"""

from __future__ import annotations

import logging
import os
import re
import struct
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

import structlog
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, multiprocess, values
from prometheus_client.exposition import choose_encoder
from pydantic import SecretBytes, SecretStr

MASK: Final = "***"
SECRET_KEYS: Final = re.compile(r"passw|secret|token|api_?key|authorization|credential|cookie", re.IGNORECASE)
USERINFO: Final = re.compile(r"([a-z][a-z0-9+.\-]*://)[^/\s@'\"]*@", re.IGNORECASE)
SECRET_QUERY: Final = re.compile(r"([?&](?:pass\w*|\w*token|secret|\w*key)=)[^&\s'\"]+", re.IGNORECASE)
MAX_DEPTH: Final = 8

if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
    values.ValueClass = values.MultiProcessValue(lambda: os.environ.get("ANDON_PROCESS") or os.getpid())  # type: ignore[no-untyped-call]

RECEIVED: Final = Counter("andon_received_total", "Messages that a broker delivered to us.")
JOURNALLED: Final = Counter("andon_journalled_total", "Messages committed to the journal.")
UNKEPT: Final = Counter(
    "andon_unkept_total", "Messages decided on without room to keep them: missing from the store.", ["gateway"]
)
JOURNAL_FULL: Final = Gauge(
    "andon_journal_full", "1 while there is no room for readings.", multiprocess_mode="livemostrecent"
)
JOURNAL_FREE: Final = Gauge(
    "andon_journal_free_bytes", "Room on the journal's disk.", multiprocess_mode="livemostrecent"
)
JOURNAL_LOST: Final = Gauge(
    "andon_journal_lost_entries", "Holes in the journal, in entries.", multiprocess_mode="livemostrecent"
)
ACKNOWLEDGED: Final = Counter("andon_acknowledged_total", "Messages acknowledged to the broker after their commit.")
DUPLICATES: Final = Counter("andon_duplicates_total", "Redeliveries that stood in the journal already.")
DECODED_READINGS: Final = Counter("andon_decoded_readings_total", "Readings decoded for detection.")
QUARANTINED: Final = Counter("andon_quarantined_total", "Messages that could not be decoded.", ["gateway", "reason"])
QUARANTINE_DROPPED: Final = Counter(
    "andon_quarantine_dropped_total", "Messages that quarantine had no room for, or that made room for others."
)
QUARANTINE_FED: Final = Counter("andon_quarantine_fed_total", "Messages fed again from quarantine.", ["outcome"])
EVALUATED: Final = Counter("andon_evaluated_total", "Observations that went through the rules.")
UNWATCHED: Final = Counter(
    "andon_unwatched_total", "Observations of assets beyond the most that are watched: stored, not decided on."
)
TRANSITIONS: Final = Counter("andon_transitions_total", "Alarm transitions committed.", ["event", "kind"])
NUISANCES: Final = Counter("andon_nuisance_alarms_total", "Chattering and fleeting alarms.", ["sort", "rule"])
STORED_POINTS: Final = Counter("andon_stored_points_total", "Readings that the store took.")
STORE_REPLACED: Final = Counter("andon_store_replaced_total", "Readings that replaced one of the same key.")
STORE_FAILURES: Final = Counter(
    "andon_store_failures_total", "Writes to the store that failed as a whole and are tried again."
)
STORE_REJECTED: Final = Counter(
    "andon_store_rejected_total", "Readings that the store refused for good; kept with the reason in store-rejects.db."
)
STORE_REJECTS_DROPPED: Final = Counter(
    "andon_store_rejects_dropped_total", "Refused readings that had to make room for others."
)
BROKER_DROPPED: Final = Counter(
    "andon_broker_dropped_total",
    "Messages that a broker says it dropped for want of room, of whatever client.",
    ["broker"],
)
GATEWAY_MESSAGES: Final = Counter("andon_gateway_messages_total", "Messages of a gateway by QoS.", ["gateway", "qos"])
TIME_ODDITIES: Final = Counter(
    "andon_time_oddities_total", "Readings late or ahead, clocks set back, steps of the host's clock.", ["what"]
)
RULES_LACKING: Final = Gauge(
    "andon_rules_lacking",
    "Rules, counted on each machine, that cannot decide: a signal was never seen, or their gate is not known.",
    ["lack"],
    multiprocess_mode="livemostrecent",
)
NOTIFICATIONS: Final = Counter("andon_notifications_total", "Attempts to tell a person.", ["outcome"])


def _gauge(name: str, about: str, labels: Sequence[str] = ()) -> Gauge:
    """A gauge whose latest value counts, whichever process set it; that of a dead process is forgotten."""
    return Gauge(name, about, labels, multiprocess_mode="livemostrecent")


READER_LAG: Final = _gauge(
    "andon_reader_lag_entries", "Journal entries a reader (decide, store) has yet to work off.", ["reader"]
)
READER_LAG_SECONDS: Final = _gauge(
    "andon_reader_lag_seconds", "How long ago the first of them was received; 0 if there is none.", ["reader"]
)
OLDEST_UNSTORED: Final = _gauge("andon_oldest_unstored_seconds", "Age of the oldest reading that is not stored yet.")
LINK_UP: Final = _gauge("andon_link_up", "1 while connected to it.", ["broker"])
UNCOMMITTED: Final = _gauge("andon_uncommitted_messages", "Messages received that wait for their commit.", ["broker"])
ASSETS: Final = _gauge("andon_assets", "Assets that are watched.")
JOURNAL_BYTES: Final = _gauge("andon_journal_bytes", "What the journal takes on disk.")
DISK_FREE: Final = _gauge("andon_disk_free_bytes", "Room on the disk of the data directory that we may use.")
OUTBOX_PENDING: Final = _gauge("andon_outbox_pending", "Notifications that were not delivered yet.")
OUTBOX_OLDEST: Final = _gauge("andon_outbox_oldest_seconds", "Age of the oldest of them; 0 if there is none.")
CHANNELS_FAILING: Final = _gauge("andon_channels_failing", "Channels whose last attempt failed and that owe a message.")
QUARANTINE_ROWS: Final = _gauge("andon_quarantine_rows", "What stands in quarantine now.", ["gateway", "reason"])
QUARANTINE_BYTES: Final = _gauge("andon_quarantine_bytes", "What quarantine takes, about.")
STORE_REJECTS: Final = _gauge("andon_store_rejects", "Readings that the store refused and that are kept beside it.")
HOP_STATUS: Final = _gauge("andon_hop_status", "Of each hop of /health: 0 ok, 1 degraded, 2 ill.", ["hop"])


def prepare_metrics(data_dir: Path) -> Mapping[str, str]:
    """Make `<data_dir>/metrics` and empty it; what to add to every child's environment."""
    directory = data_dir / "metrics"
    directory.mkdir(parents=True, exist_ok=True)
    for left_over in directory.glob("*.db"):
        left_over.unlink()
    return {"PROMETHEUS_MULTIPROC_DIR": str(directory)}


def forget_process(data_dir: Path, process: str) -> None:
    """A process died: its gauges mean nothing until it is back; its counters stay."""
    multiprocess.mark_process_dead(process, str(data_dir / "metrics"))  # type: ignore[no-untyped-call]


def exposition(accept: str = "") -> tuple[bytes, str]:
    """The metrics of all processes (of this one alone where there is no directory to share) and their media type."""
    encode, media_type = choose_encoder(accept)
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return encode(REGISTRY), media_type
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    try:
        return encode(registry), media_type
    except struct.error:  # a process was just making its file
        return encode(registry), media_type


def configure_logging(process: str, stream: IO[str] | None = None, *, level: int = logging.INFO) -> None:
    """Log lines, ours and the libraries', to standard error: JSON unless it is a terminal, then `key=value`."""
    stream = stream or sys.stderr
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _named(process),
    ]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _exceptions(stream),
                redacted,
                _renderer(stream),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for chatty in ("uvicorn", "asyncio", "apprise", "amqtt", "transitions", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _named(process: str) -> structlog.typing.Processor:
    def add(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["process"] = process
        return event

    return add


def _renderer(stream: IO[str]) -> structlog.typing.Processor:
    if stream.isatty():
        return structlog.dev.ConsoleRenderer(colors=True, pad_event_to=0)
    return structlog.processors.JSONRenderer(default=str)


def _exceptions(stream: IO[str]) -> structlog.typing.Processor:
    """A person at a terminal sees one line of an error, a log collector (or whoever debugs) all of it."""
    return _brief if stream.isatty() and not os.environ.get("ANDON_DEBUG") else structlog.processors.format_exc_info


def _brief(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    found = event.pop("exc_info", None)
    error = found[1] if isinstance(found, tuple) else sys.exc_info()[1] if found is True else found
    if isinstance(error, BaseException):
        event["error"] = f"{type(error).__name__}: {error}"
    return event


def redact(text: str) -> str:
    """The text without passwords in addresses: for errors and log lines that quote what the site or a library says."""
    return SECRET_QUERY.sub(rf"\1{MASK}", USERINFO.sub(rf"\1{MASK}@", text))


def redacted(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The structlog processor that masks secrets by type, by key and in addresses."""
    return {key: _masked(key, value, MAX_DEPTH) for key, value in event.items()}


def _masked(key: object, value: object, depth: int) -> object:
    if isinstance(value, (SecretStr, SecretBytes)) or (
        isinstance(value, (str, bytes)) and SECRET_KEYS.search(str(key))
    ):
        return MASK
    if isinstance(value, bool | int | float | None):
        return value
    if isinstance(value, dict) and depth:
        return {k: _masked(k, v, depth - 1) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)) and depth:
        return [_masked(key, item, depth - 1) for item in value]
    return redact(str(value))
