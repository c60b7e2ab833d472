"""Packets: any split of a stream gives the same, what a client packs is unpacked, garbage gives the one error."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from monitor.collectors import packets
from monitor.collectors.packets import LONGEST, MalformedPacketError, PacketStream, Publish, decode_publish, most_bytes

names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
publishes = st.builds(
    Publish,
    topic=st.binary(min_size=1, max_size=40),
    payload=st.binary(max_size=300),
    qos=st.integers(0, 2),
    retain=st.booleans(),
    dup=st.booleans(),
    mid=st.integers(1, 65_535),
    content_type=st.none() | names,
    user_properties=st.lists(st.tuples(names, names), max_size=3).map(tuple),
    cut=st.just(0),
).map(lambda publish: publish if publish.qos else publish._replace(mid=0))


def packed(publish: Publish, *, mqtt5: bool, more: bool = False) -> bytes:
    """The PUBLISH as paho writes it."""
    version = MQTTProtocolVersion.MQTTv5 if mqtt5 else MQTTProtocolVersion.MQTTv311
    client = Client(CallbackAPIVersion.VERSION2, "packer", protocol=version)
    client.on_socket_register_write = lambda *_: None
    client._sock = object()  # type: ignore[assignment]
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    if publish.content_type is not None:
        properties.ContentType = publish.content_type
    if publish.user_properties:
        properties.UserProperty = list(publish.user_properties)
    if more:
        properties.MessageExpiryInterval = 9
        properties.CorrelationData = b"xy"
        properties.SubscriptionIdentifier = 300
        properties.PayloadFormatIndicator = 1
    client._send_publish(
        publish.mid, publish.topic, publish.payload, publish.qos, publish.retain, publish.dup, None, properties
    )
    client._sock = None
    return bytes(client._out_packet.pop()["packet"])


def unpacked(stream: bytes, cuts: list[int], *, mqtt5: bool, most: int = LONGEST) -> list[Publish]:
    """All PUBLISHes of a stream that comes in pieces."""
    stops = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    splitter = PacketStream(most)
    found = [p for a, b in pairwise(stops) for p in splitter.feed(stream[a:b])]
    return [decode_publish(head, body, with_properties=mqtt5, cut=cut) for head, body, cut in found]


@given(
    sent=st.lists(publishes, min_size=1, max_size=4),
    cuts=st.lists(st.integers(0, 5_000), max_size=6),
    more=st.booleans(),
)
def test_mqtt_5_comes_through_with_content_type_and_user_properties(
    sent: list[Publish], cuts: list[int], more: bool
) -> None:
    stream = b"".join(packed(publish, mqtt5=True, more=more) for publish in sent)
    assert unpacked(stream, cuts, mqtt5=True) == sent


@given(sent=st.lists(publishes, min_size=1, max_size=4), cuts=st.lists(st.integers(0, 5_000), max_size=6))
def test_mqtt_3_comes_through(sent: list[Publish], cuts: list[int]) -> None:
    plain = [publish._replace(content_type=None, user_properties=()) for publish in sent]
    assert unpacked(b"".join(packed(p, mqtt5=False) for p in plain), cuts, mqtt5=False) == plain


def test_a_topic_that_is_no_utf_8_and_a_large_payload_stay_bytes() -> None:
    publish = Publish(b"plant/\xff\xfe", bytes(3_000_000), 1, False, False, 7, None, ())
    assert unpacked(packed(publish, mqtt5=True), [1, 2, 3, 200_000, 2_999_999], mqtt5=True) == [publish]


@given(data=st.binary(max_size=200), mqtt5=st.booleans(), most=st.sampled_from([5, 50, LONGEST]))
def test_garbage_is_a_malformed_packet_and_nothing_else(data: bytes, mqtt5: bool, most: int) -> None:
    try:
        for head, body, cut in PacketStream(most).feed(data):
            decode_publish(head, body, with_properties=mqtt5, cut=cut)
    except MalformedPacketError:
        pass


@pytest.mark.parametrize("head", [0x36, 0x32])
def test_qos_3_and_message_id_0_are_malformed(head: int) -> None:
    with pytest.raises(MalformedPacketError, match="contradicts"):
        decode_publish(head, b"\x00\x01t\x00\x00", with_properties=False)


KEPT = 60


@given(
    sent=st.lists(publishes, min_size=1, max_size=5),
    cuts=st.lists(st.integers(0, 5_000), max_size=6),
    mqtt5=st.booleans(),
)
def test_of_a_packet_that_is_too_large_the_beginning_is_kept_and_the_stream_goes_on(
    sent: list[Publish], cuts: list[int], mqtt5: bool
) -> None:
    plain = [publish._replace(content_type=None, user_properties=()) for publish in sent]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packets, "BEGINNING", KEPT)
        got = unpacked(b"".join(packed(p, mqtt5=mqtt5) for p in plain), cuts, mqtt5=mqtt5, most=KEPT)
    around = [2 + len(p.topic) + 2 * bool(p.qos) + mqtt5 for p in plain]
    room = [len(p.payload) if n + len(p.payload) <= KEPT else KEPT - n for p, n in zip(plain, around, strict=True)]
    assert got == [
        p._replace(payload=p.payload[:most], cut=len(p.payload) - most) for p, most in zip(plain, room, strict=True)
    ]


def test_a_packet_of_200_megabytes_is_never_held(monkeypatch: pytest.MonkeyPatch) -> None:
    size, most = 200_000_000, most_bytes(1_000_000)
    stream = PacketStream(most)
    begin = packed(Publish(b"plant/a", bytes(size), 1, False, False, 7, None, ()), mqtt5=False)[:1000]
    found = stream.feed(begin)
    rest, piece = 5 + 11 + size - len(begin), bytes(256 * 1024)
    while rest:
        found += stream.feed(piece[:rest])
        rest -= min(rest, len(piece))
        assert len(stream._held) == 0
        assert stream._large is None or len(stream._large._kept) <= packets.BEGINNING
    found += stream.feed(packed(Publish(b"t", b"next", 1, False, False, 8, None, ()), mqtt5=False))
    large, following = (decode_publish(head, body, with_properties=False, cut=cut) for head, body, cut in found)
    assert (large.topic, large.mid, len(large.payload) + large.cut) == (b"plant/a", 7, size)
    assert following.payload == b"next"


def test_properties_alone_may_be_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packets, "BEGINNING", KEPT)
    publish = Publish(b"t", b"payload", 1, False, False, 7, None, (("key", "v" * 200),))
    (got,) = unpacked(packed(publish, mqtt5=True), [], mqtt5=True, most=KEPT)
    assert (got.topic, got.mid, got.payload, got.user_properties) == (b"t", 7, b"", ())
    assert got.cut > 100


def test_only_a_publish_may_be_too_large() -> None:
    with pytest.raises(MalformedPacketError, match="no PUBLISH"):
        PacketStream(100).feed(b"\x90\xff\x01" + bytes(200))


@pytest.mark.parametrize(("payload", "most"), [(0, 17), (1 << 20, 17), (100 << 20, 100), (LONGEST, 256)])
def test_what_gateways_allow_is_taken_whole(payload: int, most: int) -> None:
    assert most_bytes(payload) >> 20 in {most - 1, most}
    assert most_bytes(payload) >= min(payload, LONGEST)
