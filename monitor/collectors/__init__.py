"""Collectors: what brings messages in and acknowledges them once they are safe."""

from __future__ import annotations
