"""IEEE 802.11 data frames, bare or behind a radiotap, Prism or PPI header. Encrypted data stays closed.

Sources: IEEE 802.11-2020 section 9.2, radiotap.org, tcpdump.org/linktypes.html.
"""

from captures.packet import Draft

_FCS_PRESENT = 0x10  # radiotap flags field


def radiotap(draft: Draft) -> str | None:
    if not draft.has(8, "radiotap header"):
        return None
    length = int.from_bytes(draft.data[draft.at + 2 : draft.at + 4], "little")
    if length < 8:
        draft.problems.append(f"radiotap header length {length}")
        return None
    if not draft.has(length, "radiotap header"):
        return None
    if _flags(draft, length) & _FCS_PRESENT and draft.wire_end - draft.at >= length + 4:
        draft.wire_end -= 4
        draft.end = min(draft.end, draft.wire_end)
    draft.at += length
    return "wlan"


def _flags(draft: Draft, length: int) -> int:
    """The radiotap flags byte: behind the presence words, and behind the 8-byte aligned timer if that is there."""
    start, at = draft.at, draft.at + 4
    present = int.from_bytes(draft.data[at : at + 4], "little")
    word = present
    while word & 0x80000000 and at + 8 <= start + length:
        at += 4
        word = int.from_bytes(draft.data[at : at + 4], "little")
    at += 4
    if present & 1:
        at += -(at - start) % 8 + 8
    return draft.data[at] if present & 2 and at < start + length else 0


def ppi(draft: Draft) -> str | None:
    if not draft.has(8, "PPI header"):
        return None
    length = int.from_bytes(draft.data[draft.at + 2 : draft.at + 4], "little")
    if length < 8 or not draft.has(length, "PPI header"):
        return None
    inner = int.from_bytes(draft.data[draft.at + 4 : draft.at + 8], "little")
    draft.at += length
    return {1: "eth", 105: "wlan", 101: "raw"}.get(inner)


def prism(draft: Draft) -> str | None:
    """The Prism header carries its own length at byte 4; the AVS header (version in the first word) is big-endian."""
    if not draft.has(8, "Prism header"):
        return None
    avs = draft.word(0, 4) & 0xFFFFF000 == 0x80211000
    length = int.from_bytes(draft.data[draft.at + 4 : draft.at + 8], "big" if avs else "little")
    if not 8 <= length <= 1024 or not draft.has(length, "Prism header"):
        return None
    draft.at += length
    return "wlan"


def wlan(draft: Draft) -> str | None:
    """A data frame's header: three or four addresses, QoS and HT control where the flags say so."""
    if not draft.has(24, "802.11 header"):
        return None
    kind, flags = draft.data[draft.at], draft.data[draft.at + 1]
    if kind & 0x0C != 0x08 or kind & 0x40:  # not a data frame, or one without data
        return None
    size = 24 + (6 if flags & 3 == 3 else 0)
    qos_at = draft.at + size
    amsdu = False
    if kind & 0x80:
        size += 2
        amsdu = qos_at < draft.end and bool(draft.data[qos_at] & 0x80)
        size += 4 if flags & 0x80 else 0
    if flags & 0x40:
        draft.problems.append("encrypted 802.11 data")
        return None
    if not draft.has(size, "802.11 header"):
        return None
    draft.at += size
    if amsdu:  # several frames in one: the first is followed
        if not draft.has(14, "A-MSDU subframe"):
            return None
        draft.at += 14
    return "llc"


STEPS = {"radiotap": radiotap, "ppi": ppi, "prism": prism, "wlan": wlan}
