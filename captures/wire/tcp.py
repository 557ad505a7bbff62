"""TCP with its options. Sources: RFC 9293; options by IANA's registry (MSS 2, window scale 3, SACK 4 and 5, timestamps 8,
MD5 19, AO 29, MPTCP 30, Fast Open 34)."""

from captures.packet import Draft, Tcp, TcpOption
from captures.wire.checksum import transport_ok


def tcp(draft: Draft) -> str | None:
    """A whole header, or from a quote or a short snap length as much of it as is there (ports and sequence number)."""
    data, at = draft.data, draft.at
    left = draft.end - at
    if left < 20:
        if left >= 8:
            ack = draft.word(8, 4) if left >= 12 else 0
            flags = data[at + 13] if left >= 14 else 0
            draft.tcp = Tcp(draft.word(0), draft.word(2), draft.word(4, 4), ack, flags, complete=False)
        if not draft.quoted:
            draft.has(20, "TCP header")
        return None
    size = (data[at + 12] >> 4) * 4
    if size < 20:
        draft.problems.append(f"TCP header length {size}")
        size = 20
    on_wire = max(0, draft.wire_end - at - size)
    if draft.wire_end - at < size:
        draft.problems.append("TCP header longer than its packet")
    draft.tcp = Tcp(
        sport=draft.word(0),
        dport=draft.word(2),
        seq=draft.word(4, 4),
        ack=draft.word(8, 4),
        flags=data[at + 13],
        window=draft.word(14),
        urgent=draft.word(18),
        options=_options(draft, data[at + 20 : min(at + size, draft.end)]),
        length=on_wire,
        payload=data[min(at + size, draft.end) : draft.end],
        payload_at=min(at + size, draft.end),
        complete=left >= size,
        checksum_ok=_checksum(draft, data[at : draft.end]),
    )
    return None


def _checksum(draft: Draft, segment: bytes) -> bool | None:
    """Whether the checksum is right; None when the segment is not whole, or when it was computed for an address that
    this packet does not bear (a source route names the final destination)."""
    ip = draft.ip
    if ip is None or draft.quoted or ip.more_fragments or draft.end != draft.wire_end:
        return None
    return transport_ok(ip, segment, 6) or (None if ip.source_routed else False)


def _options(draft: Draft, data: bytes) -> tuple[TcpOption, ...]:
    options: list[TcpOption] = []
    at = 0
    while at < len(data):
        kind = data[at]
        if kind == 0:
            break
        if kind == 1:
            options.append(TcpOption(1, b""))
            at += 1
            continue
        size = data[at + 1] if at + 1 < len(data) else 0
        if size < 2 or at + size > len(data):
            if not draft.quoted:
                draft.problems.append(f"TCP option {kind} damaged")
            break
        options.append(TcpOption(kind, data[at + 2 : at + size]))
        at += size
    return tuple(options)


STEPS = {"tcp": tcp}
