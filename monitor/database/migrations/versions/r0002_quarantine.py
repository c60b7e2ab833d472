"""Quarantine that can be fed again and is bounded in bytes; what happened to refused deliveries is counted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0002"
down_revision = "r0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns; the line counts rows and bytes when it opens the database."""
    with op.batch_alter_table("quarantine") as table:
        table.add_column(sa.Column("broker", sa.Text, nullable=False, server_default="main"))
        table.add_column(sa.Column("asset", sa.Text, nullable=False, server_default=""))
        table.add_column(sa.Column("metric", sa.Text, nullable=False, server_default=""))
        partly = sa.Column("partly", sa.Boolean, nullable=False, server_default=sa.false())
        partly.comment = "the rest of the message was read"
        table.add_column(partly)
        table.add_column(_number("size", "of the payload as delivered, in bytes"))
        table.add_column(_number("kept", "bytes that count against max_size"))
    op.execute("UPDATE quarantine SET size = length(payload), kept = length(payload) + length(topic) + length(detail)")
    op.create_index("ix_quarantine_group", "quarantine", ["gateway", "reason", "seq"])
    with op.batch_alter_table("quarantine_counts") as table:
        table.add_column(_number("rows", "kept now"))
        table.add_column(_number("bytes", "kept now"))
        table.add_column(_number("dropped", "gone for want of room"))
        table.add_column(_number("expired"))
        table.add_column(_number("fed", "read when fed again"))


def _number(name: str, comment: str | None = None) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False, server_default="0", comment=comment)
