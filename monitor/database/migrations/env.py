"""Run by Alembic: applies revisions on the connection that `monitor.database.migrate` hands over."""

from __future__ import annotations

from alembic import context

from monitor.database.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    transaction_per_migration=False,
    render_as_batch=True,
)
context.run_migrations()
