"""The tables of the alarm database, in SQL that both SQLite and PostgreSQL understand.

Instants are nanoseconds since 1970. An absent part is the empty text, so that it can stand in a key.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    false,
)

metadata: Final = MetaData()

Sequence: Final = BigInteger().with_variant(Integer, "sqlite")
"""A counter that SQLite fills by itself only when it is called INTEGER."""

transitions: Final = Table(
    "transitions",
    metadata,
    Column("seq", Sequence, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("alarm", Text, nullable=False, index=True),
    Column("at", BigInteger, nullable=False),
    Column("received", BigInteger, nullable=False),
    Column("asset", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("part", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("priority", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("from_state", Text, nullable=False),
    Column("to_state", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("told", Text, nullable=False, comment="why somebody was notified, or why nobody was"),
    Column("body", Text, nullable=False, comment="JSON of the whole transition"),
    Index("ix_transitions_asset_rule_at", "asset", "rule", "at"),
    sqlite_autoincrement=True,
)

alarms: Final = Table(
    "alarms",
    metadata,
    Column("asset", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("part", Text, nullable=False),
    Column("alarm", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("priority", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("since", BigInteger, nullable=False, comment="when the condition became active"),
    Column("at", BigInteger, nullable=False, comment="of the last transition"),
    Column("title", Text, nullable=False),
    Column("transition", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("published", BigInteger, nullable=False),
    PrimaryKeyConstraint("asset", "rule", "part", name="pk_alarms"),
    Index("ix_alarms_state", "state"),
)

outbox: Final = Table(
    "outbox",
    metadata,
    Column("seq", Sequence, primary_key=True, autoincrement=True),
    Column("key", Text, nullable=False, unique=True),
    Column("transition", Text, nullable=False, index=True),
    Column("alarm", Text, nullable=False, index=True),
    Column("purpose", Text, nullable=False),
    Column("safety", Boolean, nullable=False),
    Column("rank", Integer, nullable=False, comment="order of sending: safety first, then priority"),
    Column("team", Text, nullable=False),
    Column("channel", Text, nullable=False, comment="fingerprint of an address, never the address"),
    Column("message", Text, nullable=False, comment="JSON"),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt", BigInteger, nullable=False),
    Column("received", BigInteger, nullable=False, comment="of the transition"),
    Column("created", BigInteger, nullable=False),
    Index("ix_outbox_due", "state", "channel", "rank", "seq"),
    sqlite_autoincrement=True,
)

attempts: Final = Table(
    "attempts",
    metadata,
    Column("seq", Sequence, primary_key=True, autoincrement=True),
    Column("key", Text, nullable=False, index=True),
    Column("at", BigInteger, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("answer", Text, nullable=False),
    sqlite_autoincrement=True,
)

snapshots: Final = Table(
    "snapshots",
    metadata,
    Column("asset", Text, primary_key=True),
    Column("offset", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

stages: Final = Table(
    "stages",
    metadata,
    Column("name", Text, primary_key=True),
    Column("offset", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False, comment="JSON: what is decided above the assets"),
)

positions: Final = Table(
    "positions",
    metadata,
    Column("name", Text, primary_key=True),
    Column("offset", BigInteger, nullable=False),
)

revisions: Final = Table(
    "revisions",
    metadata,
    Column("offset", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", Text, nullable=False),
    Column("texts", Text, nullable=False, comment="JSON: file name to text"),
)

quarantine: Final = Table(
    "quarantine",
    metadata,
    Column("seq", Sequence, primary_key=True, autoincrement=True),
    Column("offset", BigInteger, nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("received", BigInteger, nullable=False),
    Column("gateway", Text, nullable=False),
    Column("topic", LargeBinary, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("broker", Text, nullable=False, server_default="main"),
    Column("asset", Text, nullable=False, server_default=""),
    Column("metric", Text, nullable=False, server_default=""),
    Column("partly", Boolean, nullable=False, server_default=false(), comment="the rest of the message was read"),
    Column("size", BigInteger, nullable=False, server_default="0", comment="of the payload as delivered, in bytes"),
    Column("kept", BigInteger, nullable=False, server_default="0", comment="bytes that count against max_size"),
    Index("ix_quarantine_entry", "offset", "ordinal", unique=True),
    Index("ix_quarantine_group", "gateway", "reason", "seq"),
    sqlite_autoincrement=True,
)

quarantine_counts: Final = Table(
    "quarantine_counts",
    metadata,
    Column("gateway", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("count", BigInteger, nullable=False, comment="refused since the beginning"),
    Column("rows", BigInteger, nullable=False, server_default="0", comment="kept now"),
    Column("bytes", BigInteger, nullable=False, server_default="0", comment="kept now"),
    Column("dropped", BigInteger, nullable=False, server_default="0", comment="gone for want of room"),
    Column("expired", BigInteger, nullable=False, server_default="0"),
    Column("fed", BigInteger, nullable=False, server_default="0", comment="read when fed again"),
    PrimaryKeyConstraint("gateway", "reason", name="pk_quarantine_counts"),
)

gaps: Final = Table(
    "gaps",
    metadata,
    Column("why", Text, nullable=False),
    Column("gateway", Text, nullable=False),
    Column("start", BigInteger, nullable=False, comment="the journal entry that stands for it, or the first lost one"),
    Column("since", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("messages", BigInteger, nullable=False),
    PrimaryKeyConstraint("why", "gateway", "start", name="pk_gaps"),
)
