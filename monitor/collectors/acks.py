"""Which messages await their commit, which acknowledgements await it with them, and which are known already. Pure."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from typing import Final

from monitor.collectors.packets import ACKNOWLEDGEMENT, FIRST_ANSWER
from monitor.journal.entries import Message

BATCH_MESSAGES: Final = 1_000
BATCH_BYTES: Final = 32 * 1024 * 1024
"""A batch is closed at this many messages or bytes of payload, whichever comes first."""
WAITING_BATCHES: Final = 2
"""So many batches may wait; then reading stops until a commit is done."""
RECEIVE_MAXIMUM: Final = BATCH_MESSAGES * WAITING_BATCHES
"""What we ask an MQTT 5 broker to leave unacknowledged at most."""
REDELIVERY_WINDOW: Final = 32_767
"""How many messages a broker may redeliver: MQTT 3.1.1 sets no limit, and mosquitto without one of its own (seen in
2.0.11 with `max_inflight_messages 0`) exceeds that of MQTT 5. Half of all ids: counted through, none comes twice."""
LAST_MID: Final = 65_535
STEPS_BACK_OF_SESSIONS: Final = 8
"""A broker that loses its sessions begins with id 1 again; more often than this it is how it gives ids."""


class Batch:
    """Messages to commit together and, in arrival order, the acknowledgements that their commit allows.

    `repeated` counts redeliveries that are only to be acknowledged.
    The acknowledgements are ready packets, valid only on the connection of this `generation`.
    """

    __slots__ = ("acks", "bytes", "generation", "messages", "repeated")

    def __init__(self, generation: int) -> None:
        self.generation = generation
        self.messages: list[Message] = []
        self.acks = bytearray()
        self.bytes = 0
        self.repeated = 0

    @property
    def closed(self) -> bool:
        """Whether it may not grow any more."""
        return len(self.messages) >= BATCH_MESSAGES or self.bytes >= BATCH_BYTES


class Redelivery:
    """Recognises a message that the broker sends again because our acknowledgement did not reach it.

    Only a PUBLISH with DUP can be one, and only if the message last received under its id has the same topic and
    payload; so what is published twice on purpose is kept twice. Whether an acknowledgement reached the broker is never
    certain, even when it was sent, so it is not asked: a message is remembered until its id comes again without DUP or
    until `window` later ones have come.

    That needs a broker which counts message ids upwards, as most do. Where ids return at once, a message with DUP may
    also be a new one with the id, topic and payload of one just acknowledged: there a message is forgotten as soon as
    its acknowledgement is sent, and nothing is taken over from before a restart: repeating is better than losing.
    """

    def __init__(self, known: Iterable[Message] = (), *, window: int = REDELIVERY_WINDOW) -> None:
        self._window = window
        self._seen: OrderedDict[int, int] = OrderedDict()
        self._steps_back = 0
        self._last_mid = 0
        for message in known:
            self.admit(message)
        if self.ids_return:
            self._seen.clear()

    @property
    def ids_return(self) -> bool:
        """Whether the broker gives ids again at once: they went backwards more often than new sessions explain."""
        return self._steps_back > STEPS_BACK_OF_SESSIONS

    def admit(self, message: Message) -> bool:
        """Whether this message (QoS 1 or 2) is not known yet; from now on it is."""
        content = hash((message.topic, message.payload))
        known = self._seen.pop(message.mid, None)
        self._seen[message.mid] = content
        if len(self._seen) > self._window:
            self._seen.popitem(last=False)
        if message.dup:
            return known != content
        self._steps_back += message.mid <= self._last_mid < LAST_MID
        self._last_mid = message.mid
        return True

    def acknowledged(self, acks: bytes | bytearray) -> None:
        """These acknowledgements were written to the connection that delivered the messages."""
        if self.ids_return:
            for _, _, mid in ACKNOWLEDGEMENT.iter_unpack(acks):
                self._seen.pop(mid, None)

    def forget_all(self) -> None:
        """The broker has begun a new session: nothing of the old one will be sent again."""
        self._seen.clear()
        self._steps_back = self._last_mid = 0


class Intake:
    """Between socket and journal: collects what arrives into batches while the one before is being committed."""

    def __init__(self, redelivery: Redelivery) -> None:
        self._redelivery = redelivery
        self._batches: deque[Batch] = deque()
        self.generation = 0

    @property
    def full(self) -> bool:
        """Whether reading should stop until a batch has been taken."""
        return len(self._batches) > WAITING_BATCHES

    @property
    def waiting(self) -> int:
        """Messages that no commit was begun for."""
        return sum(len(batch.messages) for batch in self._batches)

    def begin(self, generation: int, *, session_present: bool) -> None:
        """A connection was accepted: what arrives from now on is acknowledged on it, and on no other."""
        self.generation = generation
        if not session_present:
            self._redelivery.forget_all()

    def receive(self, message: Message) -> None:
        """Add a message to the open batch; of a redelivered one only its acknowledgement, behind that of the first."""
        batch = self._open_batch()
        if message.qos:
            batch.acks += ACKNOWLEDGEMENT.pack(FIRST_ANSWER[message.qos], 2, message.mid)
            if not self._redelivery.admit(message):
                batch.repeated += 1
                return
        batch.messages.append(message)
        batch.bytes += len(message.payload)

    def take(self) -> Batch | None:
        """The oldest batch, open or not; None if nothing waits."""
        return self._batches.popleft() if self._batches else None

    def acknowledged(self, batch: Batch) -> None:
        """The batch's acknowledgements were written to its connection."""
        self._redelivery.acknowledged(batch.acks)

    def _open_batch(self) -> Batch:
        if not self._batches or self._batches[-1].closed or self._batches[-1].generation != self.generation:
            self._batches.append(Batch(self.generation))
        return self._batches[-1]
