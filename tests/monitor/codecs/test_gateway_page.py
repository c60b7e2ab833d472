"""The page on gateways says what the decoder does: every row of its examples is decoded."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from monitor import settings
from monitor.codecs import Decoder, Reject
from monitor.codecs.timestamps import format_iso
from rules.assetmodel import load_assets
from rules.events import Observation, Quality, Reading

PAGE = (Path(__file__).parents[3] / "docs" / "gateways.md").read_text(encoding="utf-8")
EXAMPLE = re.compile(r"^\| `([^`]+)` \| `([^`]+)` \| (.+) \|$", re.MULTILINE)
EXAMPLES = EXAMPLE.findall(PAGE.partition("\n## Examples\n")[2])
ASSETS = "types: {p: {signals: {guard: {type: boolean}, temp: {unit: degC}}}}\nassets: {press: {type: p}}\n"
RECEIVED = 1_772_344_900_000_000_007


def told(reading: Reading, observation: Observation) -> str:
    at = "" if observation.at == RECEIVED else f" at `{format_iso(observation.at)}`"
    quality = "" if reading.quality is Quality.GOOD else f", {reading.quality.name.lower()}"
    return f"`{reading.metric}` = `{json.dumps(reading.value)}`{at}{quality}"


def refused(reject: Reject) -> str:
    return f"{f'`{reject.metric}` ' if reject.metric else ''}refused: `{reject.reason}`"


@pytest.mark.parametrize(("topic", "payload", "readings"), EXAMPLES)
def test_an_example_of_the_page_is_what_is_read(topic: str, payload: str, readings: str) -> None:
    model, _ = load_assets("assets.yaml", ASSETS)
    assert model is not None
    topics = ("plant/{machine}/{metric}", "wide/{machine}")
    gateways = tuple(
        settings.Gateway(name=f"g{n}", topic=template, asset="{machine}") for n, template in enumerate(topics)
    )
    decoded = Decoder(gateways, model.declared).decode("main", topic.encode(), payload.encode(), RECEIVED)
    assert decoded is not None
    found = [told(reading, observation) for observation in decoded.observations for reading in observation.readings]
    assert "; ".join([*found, *map(refused, decoded.rejects)]) == readings


def test_the_page_has_its_examples() -> None:
    assert len(EXAMPLES) > 20
    assert len(EXAMPLES) == PAGE.partition("\n## Examples\n")[2].count("\n| `")


def test_every_key_of_a_gateway_is_on_the_page() -> None:
    keys = PAGE.partition("\n## What an entry takes\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", keys, re.MULTILINE) == list(settings.Gateway.model_fields)
