"""The core: events in, transitions out. No I/O, no clock, no asyncio, no threads."""
