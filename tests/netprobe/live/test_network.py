"""The door to the world: raw packets leave as they were written, from a port that nobody else gets, and are recorded."""

import socket
import struct
from collections.abc import Callable
from ipaddress import ip_address

import pytest

from captures.wire.checksum import ones_complement_sum
from netprobe.live.network import Kernel
from netprobe.live.recorder import Frame

ADDRESSES = ["127.0.0.1", "::1"]
OPTIONS = bytes.fromhex("020405b40103030701010402")


def syn(address: str, sport: int, dport: int) -> bytes:
    """A SYN to the address from itself, every field that a sweep sets unlike what the kernel would choose."""
    packed = ip_address(address).packed
    segment = struct.pack(">HHIIBBHHH", sport, dport, 7_000_001, 0, 0x80, 2, 4321, 0, 0) + OPTIONS
    total = ones_complement_sum(packed * 2 + struct.pack(">II", len(segment), 6) + segment)
    segment = segment[:16] + struct.pack(">H", ~total & 0xFFFF) + segment[18:]
    if len(packed) == 16:
        return struct.pack(">IHBB", 6 << 28 | 0x48 << 20 | 0x12345, len(segment), 6, 9) + packed * 2 + segment
    head = struct.pack(">BBHHHBBH", 0x46, 0x48, 24 + len(segment), 0x2345, 0, 9, 6, 0) + packed * 2 + b"\x01\x01\x01\0"
    return head[:10] + struct.pack(">H", ~ones_complement_sum(head) & 0xFFFF) + head[12:] + segment


def until(network: Kernel, frames: list[Frame], enough: Callable[[], bool]) -> None:
    end = network.now() + 5
    while not enough() and network.now() < end:
        network.wait([], end - network.now())


@pytest.mark.lab
@pytest.mark.parametrize("address", ADDRESSES)
def test_a_raw_packet_leaves_as_written_and_its_answer_is_recorded(address: str) -> None:
    network = Kernel(address)
    recording = network.record()
    try:
        port, closed = network.hold(), network.hold()
        packet = syn(address, port, closed)
        assert network.send(packet) == ""
        until(network, recording.frames, lambda: len(recording.frames) >= 2)
        sent, answer = (frame.data for frame in recording.frames[:2])
    finally:
        network.close()
    assert sent == packet
    start = (answer[0] & 15) * 4 if len(ip_address(address).packed) == 4 else 40
    assert struct.unpack_from(">HHII", answer, start) == (closed, port, 0, 7_000_002)
    assert answer[start + 13] == 0x14
    assert recording.closed


@pytest.mark.lab
@pytest.mark.parametrize("address", ADDRESSES)
def test_what_a_held_port_gets_accepted_the_kernel_resets(address: str) -> None:
    network = Kernel(address)
    recording = network.record()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as server:
        try:
            assert network.send(syn(address, network.hold(), server.getsockname()[1])) == ""
            until(network, recording.frames, lambda: len(recording.frames) >= 3)
        finally:
            network.close()
    start = 40 if family == socket.AF_INET6 else 20
    assert [frame.data[start + 13] for frame in recording.frames[1:3]] == [0x12, 0x04]


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_held_port_is_nobody_elses_until_the_end(address: str) -> None:
    network = Kernel(address)
    ports = {network.hold() for _ in range(3)}
    assert len(ports) == 3
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    port = ports.pop()
    with socket.socket(family) as other, pytest.raises(OSError, match="in use"):
        other.bind((address, port))
    network.close()
    with socket.socket(family) as other:
        other.bind((address, port))


@pytest.mark.lab
def test_what_this_host_refuses_to_send_is_an_errno() -> None:
    network = Kernel("127.0.0.1", device="nosuchdevice")
    assert network.send(syn("127.0.0.1", 1, 2)) == "ENODEV"
    assert network.source() == ""
    network = Kernel("127.0.0.1")
    assert network.send(b"E") == "EINVAL"
    assert network.source() == "127.0.0.1"
    network.close()
    assert Kernel("127.0.0.1", "127.0.0.2").source() == "127.0.0.2"
