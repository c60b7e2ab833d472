"""The line: the process that collects, journals, decides and alerts."""
