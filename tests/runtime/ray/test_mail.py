"""The letter boxes of an actor, without Ray."""

import threading
import time

import pytest

from steelyard.core import StallError
from steelyard.runtime.ray.mail import Inbox, MailChannel, Outbox
from steelyard.runtime.roles.messages import Built, Draw, End, pack, unpack_up


def test_messages_that_overtook_each_other_are_read_in_their_order() -> None:
    inbox = Inbox()
    inbox.put(2, b"c")
    inbox.put(1, b"b")
    assert not inbox.pending()
    assert inbox.get(0.0) is None
    inbox.put(0, b"a")
    assert inbox.pending()
    assert [inbox.get(0.0) for _ in range(4)] == [b"a", b"b", b"c", None]


def test_a_call_that_waits_hears_at_once_and_one_that_hears_nothing_ends() -> None:
    outbox = Outbox()
    assert outbox.take(0.05) == ([], False)
    threading.Timer(0.05, outbox.put, (b"word",)).start()
    began = time.monotonic()
    assert outbox.take(30.0) == ([(b"word", None)], False)
    assert time.monotonic() - began < 10
    outbox.put(("weights", 3, "d"), "reference")
    outbox.put(b"last")
    outbox.close()
    assert outbox.take(30.0) == ([(("weights", 3, "d"), "reference"), (b"last", None)], True)
    assert outbox.take(30.0) == ([], True), "it does not wait for what cannot come"


def test_a_part_speaks_and_listens_in_messages() -> None:
    inbox, said = Inbox(), []
    channel = MailChannel(inbox, said.append)
    channel.send(Built())
    assert [unpack_up(data) for data in said] == [Built()]
    inbox.put(1, pack(End()))
    inbox.put(0, pack(Draw([(3, 4)])))
    assert channel.pending()
    assert [channel.receive(0.0, "searcher") for _ in range(2)] == [Draw([(3, 4)]), End()]
    with pytest.raises(StallError, match=r"searcher waits for the supervisor: nothing came for 0\.01 s"):
        channel.receive(0.01, "searcher")
