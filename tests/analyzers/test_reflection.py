"""Which answers copy the marks of what they answer."""

import struct
from ipaddress import ip_address

import pytest

from analyzers.attempts.attempt import Segment
from analyzers.attempts.reflection import reflection
from captures.packet import decode

_RAW = 101


def marked(tos: int, label: int = 0, v6: bool = True) -> Segment:
    ends = [ip_address("2001:db8::1" if v6 else "192.0.2.1").packed] * 2
    tcp = struct.pack(">HHIIBBHHH", 1, 22, 0, 0, 0x50, 4, 0, 0, 0)
    if v6:
        head = struct.pack(">IHBB", 6 << 28 | tos << 20 | label, len(tcp), 6, 60)
    else:
        head = struct.pack(">BBHHHBBH", 0x45, tos, 40, 0, 0, 60, 6, 0)
    data = head + ends[0] + ends[1] + tcp
    return Segment.of(decode(data, _RAW, len(data)), 1, 0, client=False)


@pytest.mark.parametrize(
    ("asked", "answered", "said"),
    [
        (marked(0x48, 7), marked(0x48, 9), "copied"),
        (marked(0x48, 7), marked(0, 0), "zero"),
        (marked(0x48, 7), marked(0, 9), "copied"),  # the DSCP was lost on the way
        (marked(0x48, 7), marked(0, 7), "other"),  # the SYN's own label: a forger's
        (marked(0x48, 7), marked(0x20, 9), "other"),
        (marked(0, 7), marked(0, 9), "copied"),
        (marked(0, 7), marked(0, 0), "zero"),
        (marked(0x48, v6=False), marked(0x48, v6=False), "copied"),
        (marked(0x48, v6=False), marked(0, v6=False), "zero"),
        (marked(0, v6=False), marked(0, v6=False), "blank"),
    ],
)
def test_marks_are_copied_or_not(asked: Segment, answered: Segment, said: str) -> None:
    assert reflection(asked, answered) == said
