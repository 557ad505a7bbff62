"""What carries one IP packet inside another: GRE, ERSPAN, IP-in-IP, 6in4, and over UDP VXLAN, GENEVE, Teredo, GTP-U.

Sources: RFC 2784/2890 (GRE), draft-foschiano-erspan, RFC 2003, RFC 4213, RFC 7348, RFC 8926, RFC 4380, 3GPP TS 29.281.
"""

from captures.packet import Draft
from captures.wire.link import by_ethertype

UDP_TUNNELS = {4789: "vxlan", 8472: "vxlan", 6081: "geneve", 3544: "teredo", 2152: "gtp-u"}


def ip_in_ip(draft: Draft) -> str | None:
    return "ip"


def udp(draft: Draft) -> str | None:
    """UDP is followed only where its port is that of a tunnel."""
    if not draft.quoted and not draft.has(8, "UDP header"):
        return None
    step = None if draft.quoted else UDP_TUNNELS.get(draft.word(2)) or UDP_TUNNELS.get(draft.word(0))
    if step is None and draft.end - draft.at >= 4:
        draft.udp = draft.word(0), draft.word(2)
    draft.at += 8
    return step


def gre(draft: Draft) -> str | None:
    if not draft.has(4, "GRE header"):
        return None
    flags, protocol = draft.word(0), draft.word(2)
    version = flags & 7
    if version == 1:  # PPTP's enhanced GRE
        size = 8 + (4 if flags & 0x1000 else 0) + (4 if flags & 0x80 else 0)
    else:
        size = 4 + sum(4 for bit in (0x8000, 0x2000, 0x1000) if flags & bit)
        if flags & 0x4000:
            draft.problems.append("GRE with source routing")
            return None
    if not draft.has(size, "GRE header"):
        return None
    draft.at += size
    if protocol == 0x88BE and not flags & 0x1000:
        return "eth"  # ERSPAN type I has no header of its own
    if protocol == 0x22EB:
        return "erspan3"
    return by_ethertype(draft, protocol) if protocol >= 0x0600 else None


def erspan(draft: Draft) -> str | None:
    """ERSPAN type II."""
    if not draft.has(8, "ERSPAN header"):
        return None
    draft.at += 8
    return "eth"


def erspan3(draft: Draft) -> str | None:
    """ERSPAN type III, with its optional platform-specific subheader."""
    draft.layers[-1] = "erspan"
    if not draft.has(12, "ERSPAN header"):
        return None
    size = 20 if draft.data[draft.at + 11] & 1 else 12
    if not draft.has(size, "ERSPAN header"):
        return None
    draft.at += size
    return "eth"


def vxlan(draft: Draft) -> str | None:
    """VXLAN; with the P bit of its generic protocol extension, what lies inside is named."""
    if not draft.has(8, "VXLAN header"):
        return None
    flags, inner = draft.data[draft.at], draft.data[draft.at + 3]
    if not flags & 0x08:
        return None
    draft.at += 8
    if flags & 0x04:
        return {1: "ip", 2: "ip", 3: "eth"}.get(inner)
    return "eth"


def geneve(draft: Draft) -> str | None:
    if not draft.has(8, "GENEVE header"):
        return None
    size = 8 + (draft.data[draft.at] & 0x3F) * 4
    if draft.data[draft.at] >> 6 or not draft.has(size, "GENEVE header"):
        return None
    protocol = draft.word(2)
    draft.at += size
    return by_ethertype(draft, protocol) if protocol >= 0x0600 else None


def teredo(draft: Draft) -> str | None:
    """IPv6 behind optional authentication and origin indications."""
    for _ in range(3):
        if not draft.has(4, "Teredo payload"):
            return None
        if draft.word(0) == 1:
            draft.at += 13 + draft.data[draft.at + 2] + draft.data[draft.at + 3]
        elif draft.word(0) == 0:
            draft.at += 8
        else:
            break
    return "ip" if draft.has(1, "Teredo payload") and draft.data[draft.at] >> 4 == 6 else None


def gtp_u(draft: Draft) -> str | None:
    """GTP version 1, user data messages (G-PDU) with optional fields and extension headers."""
    if not draft.has(8, "GTP header"):
        return None
    flags, message = draft.data[draft.at], draft.data[draft.at + 1]
    if flags >> 5 != 1 or message != 255:
        return None
    draft.at += 8
    if flags & 7:
        if not draft.has(4, "GTP header"):
            return None
        following = draft.data[draft.at + 3] if flags & 4 else 0
        draft.at += 4
        for _ in range(8):
            if not following or not draft.has(4, "GTP extension header"):
                break
            size = max(1, draft.data[draft.at]) * 4
            if not draft.has(size, "GTP extension header"):
                return None
            following = draft.data[draft.at + size - 1]
            draft.at += size
    return "ip" if draft.has(1, "GTP payload") and draft.data[draft.at] >> 4 in (4, 6) else None


STEPS = {
    "ip-in-ip": ip_in_ip, "6in4": ip_in_ip, "udp": udp, "gre": gre, "erspan": erspan, "erspan3": erspan3,
    "vxlan": vxlan, "geneve": geneve, "teredo": teredo, "gtp-u": gtp_u,
}  # fmt: skip
