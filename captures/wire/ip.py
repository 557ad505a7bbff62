"""IPv4 with options, IPv6 with extension headers, fragments.

Sources: RFC 791, RFC 8200, RFC 4302 (AH), RFC 7045 (extension headers), IANA protocol numbers.
"""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

from captures.packet import Draft, Ip

_PROTOCOLS = {1: "icmp", 4: "ip-in-ip", 6: "tcp", 17: "udp", 41: "6in4", 47: "gre", 58: "icmpv6"}
_SOURCE_ROUTES = frozenset({131, 137})  # loose and strict
_EXTENSIONS = frozenset({0, 43, 44, 51, 60, 135, 139, 140, 253, 254})


def ip(draft: Draft) -> str | None:
    """Either version, by the version field (a link layer may lie about it)."""
    if not draft.has(1, "IP header"):
        return None
    version = draft.data[draft.at] >> 4
    if version == 4:
        return _ipv4(draft)
    if version == 6:
        return _ipv6(draft)
    draft.problems.append(f"IP version {version}")
    return None


def _next(draft: Draft, header: Ip) -> str | None:
    if draft.ip is not None:
        draft.outer.append(draft.ip)
    draft.ip = header
    draft.layers.append("ipv6" if header.version == 6 else "ip")
    if header.is_later_fragment:
        draft.layers.append("fragment")
        return None
    if header.protocol == (1 if header.version == 6 else 58):  # the other family's control messages
        return None
    return _PROTOCOLS.get(header.protocol)


def _ipv4(draft: Draft) -> str | None:
    if not draft.has(20, "IPv4 header"):
        return None
    at, data = draft.at, draft.data
    size = (data[at] & 15) * 4
    total = draft.word(2)
    if size < 20:
        draft.problems.append(f"IPv4 header length {size}")
        return None
    if total == 0 or (draft.quoted and total < size + 8):
        # Segmentation offload: the capturer saw the packet before its length was filled in. And some stacks change the
        # length of what they quote, which must not hide its ports.
        total = max(draft.wire_end - at, size)
    if total < size:
        draft.problems.append(f"IPv4 total length {total}")
        return None
    fragment = draft.word(6)
    header = Ip(
        version=4,
        src=IPv4Address(data[at + 12 : at + 16]),
        dst=IPv4Address(data[at + 16 : at + 20]),
        ttl=data[at + 8],
        tos=data[at + 1],
        protocol=data[at + 9],
        length=total - size,
        ip_id=draft.word(4),
        df=bool(fragment & 0x4000),
        more_fragments=bool(fragment & 0x2000),
        fragment_offset=(fragment & 0x1FFF) * 8,
        options=data[at + 20 : min(draft.end, at + size)],
        source_routed=_source_routed(data[at + 20 : min(draft.end, at + size)]),
    )
    draft.limit(total)
    if draft.end - at < size:
        draft.problems.append("IPv4 options cut")
        _next(draft, header)
        draft.layers.pop()
        return None
    draft.at += size
    return _next(draft, header)


def _source_routed(options: bytes) -> bool:
    """Whether a source route still has places to go: its pointer lies inside its option (RFC 791 section 3.1)."""
    at = 0
    while at + 1 < len(options) and options[at] != 0:
        if options[at] == 1:
            at += 1
            continue
        size = options[at + 1]
        if options[at] in _SOURCE_ROUTES:
            return at + 2 >= len(options) or options[at + 2] <= size
        if size < 2:
            break
        at += size
    return False


def _ipv6(draft: Draft) -> str | None:
    if not draft.has(40, "IPv6 header"):
        return None
    at, data = draft.at, draft.data
    first = draft.word(0, 4)
    length = draft.word(4)
    header = Ip(
        version=6,
        src=IPv6Address(data[at + 8 : at + 24]),
        dst=IPv6Address(data[at + 24 : at + 40]),
        ttl=data[at + 7],
        tos=first >> 20 & 0xFF,
        protocol=data[at + 6],
        length=length,
        flow_label=first & 0xFFFFF,
    )
    draft.at += 40
    if length >= (8 if draft.quoted else 1):
        draft.limit(length)
    elif header.protocol != 0:  # length 0 without a hop-by-hop header: segmentation offload, not a jumbogram
        header = replace(header, length=draft.wire_end - draft.at)
    header = _extension_headers(draft, header)
    return _next(draft, header)


def _extension_headers(draft: Draft, header: Ip) -> Ip:
    """The header with its extension headers walked: `protocol` is then the upper layer's, `length` what it has."""
    extensions: list[int] = []
    protocol, used = header.protocol, 0
    more, offset, ip_id, routed = False, 0, None, False
    while protocol in _EXTENSIONS and len(extensions) < 16:
        if not draft.has(8, "IPv6 extension header"):
            protocol = 59
            break
        extensions.append(protocol)
        if protocol == 44:
            size = 8
            word = draft.word(2)
            offset, more, ip_id = word & 0xFFF8, bool(word & 1), draft.word(4, 4)
        elif protocol == 51:
            size = (draft.data[draft.at + 1] + 2) * 4
        else:
            size = (draft.data[draft.at + 1] + 1) * 8
            routed |= protocol == 43 and draft.data[draft.at + 3] > 0
        protocol = draft.data[draft.at]
        draft.at += size
        used += size
        if offset:
            break
    if draft.at > draft.end:
        draft.problems.append("IPv6 extension header cut")
        draft.at, protocol = draft.end, 59
    if not extensions:
        return header
    return replace(
        header, protocol=protocol, length=max(0, header.length - used), extensions=tuple(extensions),
        more_fragments=more, fragment_offset=offset, ip_id=ip_id, source_routed=routed,
    )  # fmt: skip


STEPS = {"ip": ip}
