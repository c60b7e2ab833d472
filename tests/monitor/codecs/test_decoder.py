"""The decoder finds the gateway of a topic, and no bytes make it raise or lose a message silently."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitor import settings
from monitor.codecs import Decoded, Decoder
from monitor.codecs.base import LONGEST_NAME
from rules.events import GatewayLink, Quality
from rules.problems import InputError

RECEIVED = 1_772_344_900_000_000_007


def gateway(topic: str = "plant/{machine}/{metric}", **other: Any) -> settings.Gateway:
    return settings.Gateway(**{"name": "line1", "asset": "{machine}", "topic": topic, **other})


def decoder(*gateways: settings.Gateway, **declared: str) -> Decoder:
    return Decoder(gateways or (gateway(), gateway("wide/{machine}", name="wide")), lambda _: declared)


def value_of(payload: bytes) -> object:
    decoded = decoder().decode("main", b"plant/press/force", payload, RECEIVED)
    assert decoded is not None
    assert [r.metric for o in decoded.observations for r in o.readings] == ["force"], decoded
    return decoded.observations[0].readings[0].value


def reasons(decoded: Decoded | None) -> list[str]:
    assert decoded is not None
    assert not decoded.observations
    return [reject.reason for reject in decoded.rejects]


def test_the_first_gateway_that_claims_a_topic_gets_it() -> None:
    both = decoder(gateway("plant/{machine}/{metric}", name="one"), gateway("plant/{machine...}", name="two"))
    assert both.decode("main", b"plant/press/force", b"{}", RECEIVED).rejects[0].gateway == "one"
    assert both.decode("main", b"plant/press", b"{}", RECEIVED).rejects[0].gateway == "two"


def test_a_gateway_claims_topics_of_its_own_broker_alone() -> None:
    assert reasons(decoder().decode("other", b"plant/press/force", b"1", RECEIVED)) == ["no-gateway"]


def test_a_topic_that_nobody_claims_is_rejected() -> None:
    rejects = decoder().decode("main", b"office/printer", b"1", RECEIVED).rejects
    assert [(r.gateway, r.reason) for r in rejects] == [(None, "no-gateway")]


@pytest.mark.parametrize("topic", [b"andon/v1/status", b"andon/v1/alarms/press/hot", b"$SYS/broker/uptime"])
def test_our_own_output_and_the_broker_s_are_no_telemetry(topic: bytes) -> None:
    assert decoder(gateway("{machine}/{metric...}")).decode("main", topic, b"1", RECEIVED) is None


@pytest.mark.parametrize(
    ("topic", "reason"),
    [
        (b"plant/\xff/force", "bad-topic"),
        (b"plant//force", "empty-name"),
        (b"plant/press/", "empty-name"),
        (b"plant/" + b"x" * 300 + b"/force", "name-too-long"),
        (b"plant/press/" + b"x" * 60_000, "name-too-long"),
    ],
)
def test_a_topic_without_usable_names_is_rejected(topic: bytes, reason: str) -> None:
    assert reasons(decoder().decode("main", topic, b"1", RECEIVED)) == [reason]


def test_a_payload_beyond_the_gateway_s_limit_is_rejected_unread() -> None:
    small = decoder(gateway(max_payload=10))
    assert reasons(small.decode("main", b"plant/press/force", b"1" * 11, RECEIVED)) == ["too-large"]
    for kept in (b"1", b""):
        decoded = small.decode("main", b"plant/press/force", kept, RECEIVED, cut=100 - len(kept))
        assert reasons(decoded) == ["too-large"]
        assert decoded is not None
        assert decoded.rejects[0].detail.startswith("100 bytes are more than")
    assert small.decode("main", b"plant/press/force", b"1" * 10, RECEIVED).observations


@pytest.mark.parametrize("depth", [0, 1, 4])
def test_nesting_is_allowed_up_to_the_gateway_s_depth(depth: int) -> None:
    limited = decoder(gateway(max_depth=4))
    nested = b"[" * depth + b"1" + b"]" * depth
    assert limited.decode("main", b"plant/press/force", nested, RECEIVED).observations
    assert reasons(limited.decode("main", b"plant/press/force", b"[" * 5 + b"1" + b"]" * 5, RECEIVED)) == ["too-deep"]


@pytest.mark.parametrize(
    "payload", [b"[" * 500_000, b'{"a":' * 100_000 + b"1" + b"}" * 100_000, b'{"value":1,"x":' + b"[" * 9_999]
)
def test_an_attack_by_depth_ends_in_a_reject(payload: bytes) -> None:
    assert reasons(decoder().decode("main", b"plant/press/force", payload, RECEIVED)) == ["too-deep"]


def test_a_long_key_cannot_be_multiplied_by_many_leaves() -> None:
    payload = json.dumps({"k" * 500_000: [0] * 100_000}).encode()
    assert reasons(decoder().decode("main", b"wide/press", payload, RECEIVED)) == ["name-too-long"]


def test_readings_without_a_usable_name_are_rejected_and_the_others_go_on() -> None:
    payload = json.dumps({"": 1, "x" * 300: 2, "force": 3}).encode()
    decoded = decoder().decode("main", b"wide/press", payload, RECEIVED)
    assert [r.metric for r in decoded.observations[0].readings] == ["force"]
    assert sorted((r.reason, len(r.metric or "")) for r in decoded.rejects) == [
        ("empty-name", 0),
        ("name-too-long", LONGEST_NAME),
    ]


@pytest.mark.parametrize(
    ("payload", "value"),
    [
        (b"12.5", 12.5), (b" 12.5\r\n", 12.5), (b"12.5\0", 12.5), (b"+12.5", 12.5), (b".5", 0.5), (b"5.", 5.0),
        (b"-1e3", -1000.0), (b"007", "007"), (b"12,5", "12,5"), (b"12.5 degC", "12.5 degC"), (b'"12.5"', "12.5"),
        (b"-", "-"), (b"1e", "1e"), (b"true", True), (b" false ", False), (b"True", "True"), (b"ON", "ON"),
        (b"\xef\xbb\xbf7", 7.0), (b"nan", None), (b"-inf", None), (b"Infinity", None), (b"1e999", None),
        (b"9" * 400, None), (b"9" * 5_000, None), ("läuft".encode(), "läuft"), (b'""', ""), (b"state NaN", "state NaN"),
        (b"idle (door open)", "idle (door open)"),
    ],
)  # fmt: skip
def test_plain_values_are_read_as_people_write_them(payload: bytes, value: object) -> None:
    found = value_of(payload)
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize("payload", [b"{", b'"open', b"[1,", b"{'a': 1}", b"\x00\x01", b"  ", b'{"value": 1}}'])
def test_what_begins_like_json_or_is_no_text_is_not_taken_for_a_text(payload: bytes) -> None:
    assert reasons(decoder().decode("main", b"plant/press/force", payload, RECEIVED)) == ["not-json"]


@pytest.mark.parametrize(
    ("quality", "meaning"),
    [
        (True, "GOOD"), (False, "BAD"), ("good", "GOOD"), ("Good", "GOOD"), ("bad", "BAD"), (192, "GOOD"),
        (192.0, "GOOD"), (0, "BAD"), (1, "UNCERTAIN"), (64, "UNCERTAIN"), ("true", "UNCERTAIN"), ("", "UNCERTAIN"),
        (None, "UNCERTAIN"), ([], "UNCERTAIN"), ({}, "UNCERTAIN"),
    ],
)  # fmt: skip
def test_quality_follows_the_table_and_truth_is_no_number(quality: object, meaning: str) -> None:
    payload = json.dumps({"value": 1, "quality": quality}).encode()
    reading = decoder().decode("main", b"plant/press/force", payload, RECEIVED).observations[0].readings[0]
    assert reading.quality is Quality[meaning]


def test_a_gateway_may_have_a_quality_table_of_its_own() -> None:
    own = decoder(gateway(quality=settings.QualityMap(good=(1,), bad=("offline", 192))))
    for value, quality in ((1, Quality.GOOD), (True, Quality.UNCERTAIN), (192, Quality.BAD), ("offline", Quality.BAD)):
        payload = json.dumps({"value": 1, "quality": value}).encode()
        assert (
            own.decode("main", b"plant/press/force", payload, RECEIVED).observations[0].readings[0].quality is quality
        )


def test_a_text_where_the_site_declares_a_number_is_rejected_alone() -> None:
    decoded = decoder(gateway("wide/{machine}"), force="number").decode(
        "main", b"wide/press", b'{"force": "high", "mode": "auto"}', RECEIVED
    )
    assert [r.metric for r in decoded.observations[0].readings] == ["mode"]
    assert [(r.reason, r.asset, r.metric) for r in decoded.rejects] == [("text-for-number", "press", "force")]


@pytest.mark.parametrize(
    ("declared", "payload", "told"),
    [
        ("boolean", b"True", True),
        ("boolean", b"FALSE", False),
        ("boolean", b'"false"', False),
        ("boolean", b'{"value": "tRUE"}', True),
        ("boolean", b"true", True),
        ("boolean", b"1", 1.0),
        ("boolean", b"0.0", 0.0),
        ("boolean", b"null", None),
        ("boolean", b"closed", "text-for-boolean"),
        ("boolean", b'"1"', "text-for-boolean"),
        ("boolean", b"255", "number-for-boolean"),
        ("boolean", b"-1", "number-for-boolean"),
        ("boolean", b"0.5", "number-for-boolean"),
        ("number", b"true", "boolean-for-number"),
        ("number", b"True", "text-for-number"),
        ("number", b"7", 7.0),
        ("number or boolean", b"true", True),
        ("number or boolean", b"True", "text-for-number"),
        ("text", b"True", "True"),
        ("text", b"7", 7.0),
        ("", b"True", "True"),
    ],
)
def test_what_is_not_of_the_declared_type_is_rejected(declared: str, payload: bytes, told: object) -> None:
    decoded = decoder(force=declared).decode("main", b"plant/press/force", payload, RECEIVED)
    assert decoded is not None
    values = [r.value for o in decoded.observations for r in o.readings]
    assert [*values, *(r.reason for r in decoded.rejects)] == [told]
    assert [type(value) for value in values] in ([], [type(told)])


@pytest.mark.parametrize("stamp", ["0", "0.0", "null"])
def test_a_clock_that_was_never_set_gives_no_stamp(stamp: str) -> None:
    payload = b'{"value": 20, "ts": %s}' % stamp.encode()
    for unit, at in ((None, RECEIVED), ("s", 0 if stamp != "null" else RECEIVED)):
        decoded = decoder(gateway(time_unit=unit)).decode("main", b"plant/press/force", payload, RECEIVED)
        assert decoded is not None
        assert [observation.at for observation in decoded.observations] == [at]


def test_a_number_that_is_hardly_a_stamp_is_rejected_with_the_key_that_says_otherwise() -> None:
    decoded = decoder().decode("main", b"plant/press/force", b'{"value": 20, "t": 23.5}', RECEIVED)
    assert reasons(decoded) == ["bad-timestamp"]
    assert "`t`" in decoded.rejects[0].detail
    assert "`time_unit`" in decoded.rejects[0].detail


@pytest.mark.parametrize(("topic", "asset"), [("plant/x{y}", "{y}"), ("plant/{machine}", "{line}")])
def test_a_gateway_with_a_wrong_template_is_refused(topic: str, asset: str) -> None:
    with pytest.raises(InputError):
        decoder(gateway(topic, asset=asset))


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["a", "b/0", "value", "ts", "quality", ""]), inner)
    ),
    max_leaves=20,
)
payloads = st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode())
topics = st.sampled_from([b"plant/press/force", b"wide/press"]) | st.binary(max_size=20)
strict = decoder(force="number", a="boolean")


@given(topics, payloads)
@example(b"wide/press", b"\xef\xbb\xbf" * 1000)
@example(b"wide/press", b'"' + rb"\"" * 50_000)
@example(b"wide/press", b'{"a":' + b"9" * 100_000 + b"}")
@example(b"wide/press", b'{"ts": 1e308, "quality": 1e999}')
def test_any_bytes_give_readings_or_rejects(topic: bytes, payload: bytes) -> None:
    decoded = strict.decode("main", topic, payload, RECEIVED)
    if decoded is None:
        assert topic.startswith((b"andon/v1/", b"$SYS/"))
        return
    assert decoded.observations or decoded.rejects
    for observation in decoded.observations:
        assert observation.readings
        assert len({reading.metric for reading in observation.readings}) == len(observation.readings)
        assert abs(observation.at) < 2**63
        for reading in observation.readings:
            assert type(reading.value) in {float, bool, str, type(None)}
            assert not isinstance(reading.value, float) or math.isfinite(reading.value)
            assert (reading.value is not None) or reading.quality is Quality.BAD
            f"{reading.metric}{reading.value}".encode()
    for reject in decoded.rejects:
        assert reject.reason
        assert reject.detail


@given(payloads, payloads)
def test_what_a_message_says_does_not_depend_on_those_before_it(first: bytes, second: bytes) -> None:
    used, fresh = decoder(), decoder()
    used.decode("main", b"wide/press", first, RECEIVED)
    assert used.decode("main", b"wide/press", second, RECEIVED) == fresh.decode("main", b"wide/press", second, RECEIVED)


@pytest.mark.parametrize(
    "values", ["[" + "0," * 10_000 + "0]", "{" + ",".join(f'"k{n}": 1' for n in range(10_001)) + "}"]
)
def test_a_message_of_very_many_values_is_refused_as_a_whole(values: str) -> None:
    payload = values if values.startswith("{") else f'{{"x": {values}}}'
    assert reasons(decoder().decode("main", b"wide/press", payload.encode(), RECEIVED)) == ["too-many-values"]


# -- status ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "up"), [(b"offline", False), (b" offline\n", False), (b"online", True), (b"\xff", True)]
)
def test_a_gateway_s_status_topic_says_whether_it_is_there(payload: bytes, up: bool) -> None:
    own = decoder(gateway("plant/{machine...}", status={"topic": "plant/line1/status"}))
    assert own.decode("main", b"plant/line1/status", payload, RECEIVED) == Decoded(
        link=GatewayLink(RECEIVED, "line1", up)
    )
    assert own.decode("other", b"plant/line1/status", payload, RECEIVED).rejects[0].reason == "no-gateway"


def test_clearing_a_retained_status_says_nothing() -> None:
    own = decoder(gateway(status={"topic": "line1/lwt", "lost": " 0 "}))
    assert own.decode("main", b"line1/lwt", b"", RECEIVED) is None
    assert own.decode("main", b"line1/lwt", b"0", RECEIVED).link == GatewayLink(RECEIVED, "line1", up=False)
