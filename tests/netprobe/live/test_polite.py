"""The polite client: what it says, and that it never goes further than the host key."""

import struct

from netprobe.live.polite import GREETING, Conversation


def packet(payload: bytes) -> bytes:
    padding = 8 - (len(payload) + 5) % 8 + 8
    return struct.pack(">IB", len(payload) + padding + 1, padding) + payload + bytes(padding)


def kexinit(kex: str) -> bytes:
    lists = [kex, "ssh-ed25519", *["aes128-ctr"] * 2, *["hmac-sha2-256"] * 2, "none", "none", "", ""]
    return packet(bytes([20]) + bytes(16) + b"".join(struct.pack(">I", len(t)) + t.encode() for t in lists) + bytes(5))


def messages(said: bytes) -> list[int]:
    out = []
    while said:
        length = int.from_bytes(said[:4], "big")
        out.append(said[5])
        said = said[4 + length :]
    return out


def test_it_takes_the_host_key_and_leaves() -> None:
    talk = Conversation()
    assert messages(talk.hear(b"welcome\r\nSSH-2.0-x\r\n")) == [20]
    assert messages(talk.hear(kexinit("curve25519-sha256"))) == [30]
    assert not talk.finished
    assert messages(talk.hear(packet(bytes([31]) + bytes(60)))) == [1]
    assert talk.finished
    assert talk.well
    assert talk.greeted


def test_bytes_may_come_one_by_one() -> None:
    talk = Conversation()
    said = b"".join(talk.hear(bytes([byte])) for byte in b"SSH-2.0-x\r\n" + kexinit("curve25519-sha256"))
    assert messages(said) == [20, 30]


def test_it_leaves_where_it_could_not_go_on() -> None:
    talk = Conversation()
    talk.hear(b"SSH-2.0-x\r\n")
    assert messages(talk.hear(kexinit("diffie-hellman-group14-sha256"))) == [1]
    assert talk.finished
    assert talk.well


def test_a_server_that_ends_it_is_not_well() -> None:
    for last in (
        kexinit("diffie-hellman-group1-sha1"),
        kexinit("curve25519-sha256") + packet(bytes([1]) + bytes(12)),
        b"Not allowed\r\n",
    ):
        talk = Conversation()
        talk.hear(b"SSH-2.0-x\r\n" + last)
        assert talk.finished
        assert not talk.well


def test_another_protocol_is_listened_to_without_a_word() -> None:
    talk = Conversation()
    assert talk.hear(b"220 mail ESMTP\r\n") == b""
    assert not talk.greeted
    assert talk.hear(bytes(70_000)) == b""
    assert talk.finished


def test_its_offer_is_read_by_our_own_analyzer_and_meets_a_current_server() -> None:
    from analyzers.attempts.talk import Talk, _voice

    talk = Conversation()
    offer = talk.hear(b"SSH-2.0-x\r\n")
    mine, theirs = _voice(GREETING + offer), _voice(b"SSH-2.0-x\r\n" + kexinit("curve25519-sha256"))
    assert mine.offer is not None
    assert Talk(mine, theirs).missing == []
    assert [
        name for name, _, _ in Talk(mine, _voice(b"SSH-2.0-x\r\n" + kexinit("diffie-hellman-group1-sha1"))).missing
    ] == ["kex"]
