"""The same script in two processes whose hashes differ."""

from __future__ import annotations

import os
import subprocess
import sys


def agreed(script: str) -> bytes:
    """What a script writes; it must not depend on the hash seed."""
    first, second = (
        subprocess.run(
            [sys.executable, "-c", script], env={**os.environ, "PYTHONHASHSEED": seed}, check=True, capture_output=True
        ).stdout
        for seed in ("1", "4242")
    )
    assert first == second
    return first
