"""The alarm database: transitions, alarms, outbox, snapshots and positions, written by the line alone."""
