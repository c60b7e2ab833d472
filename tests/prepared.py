"""What `deploy/prepare` makes, in a directory of a test's own."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.services.missing import missing
from tests.services.mosquitto import SEARCH_PATH, found

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"


def prepare(root: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run it; skips where its tools are missing."""
    if found("mosquitto_passwd") is None or found("openssl") is None:
        missing("mosquitto_passwd or openssl is not installed")
    root.mkdir(exist_ok=True)
    environment = {**os.environ, "PATH": SEARCH_PATH, "ANDON_ROOT": str(root)}
    command = [str(DEPLOY / "prepare"), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=check)


def prepared_site(root: Path, broker: str = "broker:8883") -> Path:
    """The shipped site with its paths below `root`, and a token as InfluxDB would have made it."""
    (root / "deploy" / "state" / "tokens" / "andon" / "token").write_text("token\n")
    site = root / "site"
    shutil.copytree(DEPLOY / "site", site)
    text = (site / "andon.yaml").read_text(encoding="utf-8")
    for there, here in (
        ("/run/secrets", root / "deploy" / "secrets"),
        ("/run/tokens", root / "deploy" / "state" / "tokens" / "andon"),
        ("data_dir: /data", f"data_dir: {root / 'data'}"),
        ("broker:8883", broker),
    ):
        assert there in text
        text = text.replace(there, str(here))
    (site / "andon.yaml").write_text(text, encoding="utf-8")
    return site
