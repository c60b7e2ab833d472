"""The history of the alarm database's schema, one revision a file."""
