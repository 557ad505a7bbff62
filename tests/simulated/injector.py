"""What a device in a cable does with a packet: carry it, or answer in another's name."""

from dataclasses import replace

from tests.simulated.packets import ACK, RST, SYN, Datagram, Tcp, refusal
from tests.simulated.rows import Injector


def meddle(row: Injector, datagram: Datagram, random_id: int) -> tuple[bool, Datagram | None]:
    """Whether the packet goes on, and what is sent back for it."""
    tcp = datagram.body
    if not isinstance(tcp, Tcp) or tcp.flags & (SYN | ACK | RST) != SYN or tcp.dport not in row.ports:
        return True, None
    if (tcp.spoil and not row.careless) or (datagram.options and row.plain):
        return True, None

    def value(way: int | str, copy: int) -> int:
        return copy if way == "copy" else random_id if isinstance(way, str) else way

    bare = refusal(datagram)
    assert isinstance(bare.body, Tcp)
    body = replace(bare.body, window=value(row.window, tcp.window), ack=(bare.body.ack + row.astray) % 2**32)
    ident, tos = value(row.ident, datagram.ident), value(row.tos, datagram.tos)
    made = replace(bare, body=body, ttl=value(row.ttl, datagram.ttl), ident=ident, tos=tos, df=row.df)
    return row.passes, made
