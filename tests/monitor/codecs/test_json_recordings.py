"""Every recorded payload under tests/recordings/json decodes to what stands beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from monitor import settings
from monitor.codecs import Decoder
from rules.events import Observation

RECORDINGS = Path(__file__).parents[2] / "recordings" / "json"
RECEIVED = 1_772_344_900_000_000_007
GATEWAY = {"topic": "plant/{line}/{machine}/{metric}", "asset": "{line}/{machine}"}


def told(observation: Observation) -> dict[str, Any]:
    assert observation.received == RECEIVED
    readings = [
        [r.metric, r.value, r.quality.name.lower()] + ([] if r.text is None else [r.text]) for r in observation.readings
    ]
    at = "received" if observation.at == RECEIVED else observation.at
    return {"asset": observation.asset, "at": at, "readings": readings}


@pytest.mark.parametrize(
    "expected", sorted(RECORDINGS.glob("*.expected.json")), ids=lambda path: path.name.split(".")[0]
)
def test_a_recording_gives_what_is_expected(expected: Path) -> None:
    case = json.loads(expected.read_text(encoding="utf-8"))
    gateway = settings.Gateway(name="line1", format="json", **case.get("gateway", GATEWAY))
    decoder = Decoder((gateway,), lambda _: case.get("declared", {}))
    payload = expected.with_name(expected.name.replace(".expected.json", ".payload")).read_bytes()

    decoded = decoder.decode("main", case["topic"].encode(), payload, RECEIVED)

    assert decoded is not None
    found = json.dumps([told(observation) for observation in decoded.observations])
    assert found == json.dumps(case["observations"])  # as text: in JSON 1, 1.0 and true differ
    assert [{"reason": r.reason, "metric": r.metric} for r in decoded.rejects] == case["rejects"]
    assert {r.gateway for r in decoded.rejects} <= {"line1"}
