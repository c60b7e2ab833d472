"""The alarm database as it first was."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0001"
down_revision = None
branch_labels = None
depends_on = None

_SEQUENCE = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make all tables."""
    _transitions()
    _alarms()
    _outbox()
    _recovery()
    _quarantine()


def _text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _numbers(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger, nullable=False) for name in names]


def _seq() -> sa.Column[int]:
    return sa.Column("seq", _SEQUENCE, primary_key=True, autoincrement=True)


def _transitions() -> None:
    op.create_table(
        "transitions",
        _seq(),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        *_text("alarm"),
        *_numbers("at", "received"),
        *_text("asset", "rule", "part", "kind", "priority", "event", "from_state", "to_state", "mode"),
        sa.Column("told", sa.Text, nullable=False, comment="why somebody was notified, or why nobody was"),
        sa.Column("body", sa.Text, nullable=False, comment="JSON of the whole transition"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_transitions_alarm", "transitions", ["alarm"])
    op.create_index("ix_transitions_asset_rule_at", "transitions", ["asset", "rule", "at"])


def _alarms() -> None:
    op.create_table(
        "alarms",
        *_text("asset", "rule", "part", "alarm", "state", "priority", "kind", "mode"),
        sa.Column("since", sa.BigInteger, nullable=False, comment="when the condition became active"),
        sa.Column("at", sa.BigInteger, nullable=False, comment="of the last transition"),
        *_text("title", "transition"),
        *_numbers("revision", "published"),
        sa.PrimaryKeyConstraint("asset", "rule", "part", name="pk_alarms"),
    )
    op.create_index("ix_alarms_state", "alarms", ["state"])


def _outbox() -> None:
    op.create_table(
        "outbox",
        _seq(),
        sa.Column("key", sa.Text, nullable=False, unique=True),
        *_text("transition", "alarm", "purpose"),
        sa.Column("safety", sa.Boolean, nullable=False),
        sa.Column("rank", sa.Integer, nullable=False, comment="order of sending: safety first, then priority"),
        *_text("team"),
        sa.Column("channel", sa.Text, nullable=False, comment="fingerprint of an address, never the address"),
        sa.Column("message", sa.Text, nullable=False, comment="JSON"),
        *_text("state"),
        sa.Column("attempts", sa.Integer, nullable=False),
        *_numbers("next_attempt"),
        sa.Column("received", sa.BigInteger, nullable=False, comment="of the transition"),
        *_numbers("created"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_transition", "outbox", ["transition"])
    op.create_index("ix_outbox_alarm", "outbox", ["alarm"])
    op.create_index("ix_outbox_due", "outbox", ["state", "channel", "rank", "seq"])
    op.create_table(
        "attempts", _seq(), *_text("key"), *_numbers("at"), *_text("outcome", "answer"), sqlite_autoincrement=True
    )
    op.create_index("ix_attempts_key", "attempts", ["key"])


def _recovery() -> None:
    op.create_table(
        "snapshots",
        sa.Column("asset", sa.Text, primary_key=True),
        *_numbers("offset"),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_table("positions", sa.Column("name", sa.Text, primary_key=True), *_numbers("offset"))
    op.create_table(
        "revisions",
        sa.Column("offset", sa.BigInteger, primary_key=True, autoincrement=False),
        *_text("hash"),
        sa.Column("texts", sa.Text, nullable=False, comment="JSON: file name to text"),
    )


def _quarantine() -> None:
    op.create_table(
        "quarantine",
        _seq(),
        *_numbers("offset"),
        sa.Column("ordinal", sa.Integer, nullable=False),
        *_numbers("received"),
        *_text("gateway"),
        sa.Column("topic", sa.LargeBinary, nullable=False),
        *_text("reason", "detail"),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_quarantine_entry", "quarantine", ["offset", "ordinal"], unique=True)
    op.create_table(
        "quarantine_counts",
        *_text("gateway", "reason"),
        *_numbers("count"),
        sa.PrimaryKeyConstraint("gateway", "reason", name="pk_quarantine_counts"),
    )
