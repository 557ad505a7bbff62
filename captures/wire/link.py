"""Link layers and what sits between them and IP: Ethernet, VLAN tags, MPLS, PPPoE, PPP, Linux cooked, loopback, LLC.

Sources: IEEE 802.3, 802.1Q, RFC 3032 (MPLS), RFC 2516 (PPPoE), RFC 1661/1662 (PPP), tcpdump.org/linktypes.html.
"""

from captures.packet import Draft

ETHERTYPES = {
    0x0800: "ip", 0x86DD: "ip", 0x8100: "vlan", 0x88A8: "vlan", 0x9100: "vlan", 0x9200: "vlan",
    0x8847: "mpls", 0x8848: "mpls", 0x8864: "pppoes", 0x6558: "eth", 0x880B: "ppp", 0x88BE: "erspan",
}  # fmt: skip
_PPP = {0x0021: "ip", 0x0057: "ip", 0x0281: "mpls", 0x0283: "mpls"}


def by_ethertype(draft: Draft, value: int) -> str | None:
    """The step for an EtherType field, which below 1536 is the length of an LLC frame (IEEE 802.3)."""
    if value < 0x0600:
        draft.limit(value)
        return "llc"
    return ETHERTYPES.get(value)


def eth(draft: Draft) -> str | None:
    if not draft.has(14, "Ethernet header"):
        return None
    value = draft.word(12)
    draft.at += 14
    return by_ethertype(draft, value)


def vlan(draft: Draft) -> str | None:
    if not draft.has(4, "VLAN tag"):
        return None
    draft.vlans.append(draft.word(0) & 0xFFF)
    value = draft.word(2)
    draft.at += 4
    return by_ethertype(draft, value)


def mpls(draft: Draft) -> str | None:
    """One label; under the last one lies IP, or a pseudowire (RFC 4385 control word or bare Ethernet)."""
    if not draft.has(4, "MPLS label"):
        return None
    entry = draft.word(0, 4)
    draft.mpls.append(entry >> 12)
    draft.at += 4
    if not entry & 0x100:
        return "mpls"
    if not draft.has(1, "MPLS payload"):
        return None
    nibble = draft.data[draft.at] >> 4
    if nibble in (4, 6):
        return "ip"
    if nibble == 0 and draft.has(4, "pseudowire control word"):
        draft.at += 4
        return "eth"
    return None


def pppoes(draft: Draft) -> str | None:
    """PPPoE session data; discovery frames have another EtherType."""
    if not draft.has(6, "PPPoE header"):
        return None
    length = draft.word(4)
    draft.at += 6
    draft.limit(length)
    return "ppp"


def ppp(draft: Draft) -> str | None:
    """PPP with or without HDLC address and control bytes; the protocol field may be compressed to one byte."""
    if draft.end - draft.at >= 2 and draft.data[draft.at] == 0xFF and draft.data[draft.at + 1] == 0x03:
        draft.at += 2
    if not draft.has(2, "PPP header"):
        return None
    if draft.data[draft.at] & 1:
        value = draft.data[draft.at]
        draft.at += 1
    else:
        value = draft.word(0)
        draft.at += 2
    return _PPP.get(value)


def ppp_with_direction(draft: Draft) -> str | None:
    if not draft.has(1, "PPP direction"):
        return None
    draft.at += 1
    return "ppp"


def chdlc(draft: Draft) -> str | None:
    """Cisco HDLC: address, control, EtherType."""
    if not draft.has(4, "HDLC header"):
        return None
    value = draft.word(2)
    draft.at += 4
    return ETHERTYPES.get(value)


def ppp_hdlc(draft: Draft) -> str | None:
    """LINKTYPE_PPP_HDLC: PPP in HDLC framing, or Cisco HDLC, told apart by the address byte."""
    if not draft.has(1, "HDLC header"):
        return None
    if draft.data[draft.at] in (0x0F, 0x8F):
        return "chdlc"
    return "ppp"


def sll(draft: Draft) -> str | None:
    if not draft.has(16, "Linux cooked header"):
        return None
    value = draft.word(14)
    draft.at += 16
    return _cooked(draft, value)


def sll2(draft: Draft) -> str | None:
    if not draft.has(20, "Linux cooked v2 header"):
        return None
    value = draft.word(0)
    draft.at += 20
    return _cooked(draft, value)


def _cooked(draft: Draft, value: int) -> str | None:
    """The protocol field of a cooked header: an EtherType, or 4 for an LLC frame."""
    return "llc" if value == 4 else ETHERTYPES.get(value)


def null(draft: Draft) -> str | None:
    """BSD loopback: an address family in the capturer's byte order, which differs by system; the IP version decides."""
    if not draft.has(4, "loopback header"):
        return None
    draft.at += 4
    return "raw"


def enc(draft: Draft) -> str | None:
    """OpenBSD IPsec encapsulation: address family, SPI and flags."""
    if not draft.has(12, "encapsulation header"):
        return None
    draft.at += 12
    return "raw"


def raw(draft: Draft) -> str | None:
    """No link header: IPv4 or IPv6 by the version field."""
    return "ip"


def llc(draft: Draft) -> str | None:
    """IEEE 802.2 with a SNAP header, or IP's own service access point."""
    if not draft.has(3, "LLC header"):
        return None
    dsap, ssap, control = draft.data[draft.at : draft.at + 3]
    draft.at += 3 if control & 3 == 3 else 4
    if dsap == ssap == 0xAA:
        if not draft.has(5, "SNAP header"):
            return None
        value = draft.word(3)
        draft.at += 5
        return ETHERTYPES.get(value)
    return "ip" if dsap == 0x06 else None


STEPS = {
    "eth": eth, "vlan": vlan, "mpls": mpls, "pppoes": pppoes, "ppp": ppp, "ppp-dir": ppp_with_direction, "chdlc": chdlc,
    "ppp-hdlc": ppp_hdlc, "sll": sll, "sll2": sll2, "null": null, "enc": enc, "raw": raw, "llc": llc,
}  # fmt: skip
