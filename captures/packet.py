"""The decode: one frame's bytes -> `Packet`. Total on any bytes: what is missing is said in `problems`."""

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Ip:
    """An IPv4 or IPv6 header. `ttl` is the hop limit in IPv6, `tos` the traffic class; `ip_id` is None without one.

    `length` is the payload behind this header in bytes as the header states it, which a snap length does not change.
    """

    version: int
    src: Address
    dst: Address
    ttl: int
    tos: int
    protocol: int
    length: int
    ip_id: int | None = None
    df: bool = False
    more_fragments: bool = False
    fragment_offset: int = 0  # bytes
    flow_label: int = 0
    options: bytes = b""
    extensions: tuple[int, ...] = ()
    source_routed: bool = False  # still on its way to another destination than `dst`

    @property
    def is_later_fragment(self) -> bool:
        """Whether this is a fragment without the transport header."""
        return self.fragment_offset > 0


@dataclass(frozen=True, slots=True)
class TcpOption:
    """One TCP option; `value` excludes kind and length bytes."""

    kind: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Tcp:
    """A TCP header and its payload. `length` counts payload bytes on the wire, `payload` those that were captured, which
    begin at `payload_at` in the bytes that were decoded.

    `complete` is False when the header itself was cut (an 8-byte quote has ports and sequence number only);
    `checksum_ok` is None when the segment was not captured whole.
    """

    sport: int
    dport: int
    seq: int
    ack: int = 0
    flags: int = 0
    window: int = 0
    urgent: int = 0
    options: tuple[TcpOption, ...] = ()
    length: int = 0
    payload: bytes = b""
    payload_at: int = field(default=0, compare=False)  # the same segment lies elsewhere in another carrier
    complete: bool = True
    checksum_ok: bool | None = None

    def option(self, kind: int) -> bytes | None:
        """The value of the first option of that kind."""
        return next((o.value for o in self.options if o.kind == kind), None)

    @property
    def mss(self) -> int | None:
        value = self.option(2)
        return int.from_bytes(value, "big") if value is not None and len(value) == 2 else None

    @property
    def timestamps(self) -> tuple[int, int] | None:
        """Timestamp value and echo reply."""
        value = self.option(8)
        return (
            (int.from_bytes(value[:4], "big"), int.from_bytes(value[4:], "big")) if value and len(value) == 8 else None
        )


@dataclass(frozen=True, slots=True)
class Icmp:
    """An ICMP or ICMPv6 message. `quoted` is the datagram that an error quotes, as far as it was there.

    `mpls` holds the label stack entries (label, traffic class, TTL) of an RFC 4950 extension; `mtu` is the next-hop MTU
    of a fragmentation-needed or packet-too-big message; `ident` and `sequence` are those of an echo request or reply.
    """

    version: int
    type: int
    code: int
    quoted: "Packet | None" = None
    mtu: int | None = None
    mpls: tuple[tuple[int, int, int], ...] = ()
    extensions: tuple[tuple[int, int], ...] = ()  # other extension objects: class and type
    checksum_ok: bool | None = None
    ident: int = 0
    sequence: int = 0

    @property
    def is_error(self) -> bool:
        return self.type in (3, 4, 5, 11, 12) if self.version == 4 else 1 <= self.type <= 4

    @property
    def echo(self) -> str:
        """Whether this is an echo "request" or "reply", "" for neither."""
        return {8: "request", 0: "reply"}.get(
            self.type if self.version == 4 else {128: 8, 129: 0}.get(self.type, 1), ""
        )


@dataclass(frozen=True, slots=True)
class Packet:
    """The innermost datagram of a frame. `layers` names every header from the outside in, `outer` the carrying IPs.

    `ip` is None for a frame without (whole) IP header; `tcp`, `icmp` and `udp` exclude each other. Of UDP only the ports are
    told, source and destination.
    """

    layers: tuple[str, ...] = ()
    vlans: tuple[int, ...] = ()
    mpls: tuple[int, ...] = ()
    outer: tuple[Ip, ...] = ()
    ip: Ip | None = None
    tcp: Tcp | None = None
    icmp: Icmp | None = None
    udp: tuple[int, int] | None = None
    problems: tuple[str, ...] = ()

    @property
    def tunnels(self) -> tuple[str, ...]:
        """The encapsulations that carry the innermost datagram inside another IP packet, outermost first."""
        return tuple(name for name in self.layers if name in TUNNELS)


TUNNELS = frozenset({"gre", "erspan", "ip-in-ip", "6in4", "vxlan", "geneve", "teredo", "gtp-u"})


@dataclass(slots=True)
class Draft:
    """A packet while its headers are read: what the header families in `captures.wire` fill in.

    `data[at:end]` is what is left of the innermost datagram; `wire_end` is where it ends on the wire, which lies
    behind `len(data)` when the frame was cut.
    """

    data: bytes
    at: int = 0
    end: int = 0
    wire_end: int = 0
    quoted: bool = False
    layers: list[str] = field(default_factory=list)
    vlans: list[int] = field(default_factory=list)
    mpls: list[int] = field(default_factory=list)
    outer: list[Ip] = field(default_factory=list)
    ip: Ip | None = None
    tcp: Tcp | None = None
    icmp: Icmp | None = None
    udp: tuple[int, int] | None = None
    problems: list[str] = field(default_factory=list)

    def has(self, count: int, what: str) -> bool:
        """Whether `count` bytes are left; if not, that `what` is cut goes into `problems`."""
        if self.end - self.at >= count:
            return True
        self.problems.append(f"{what} cut after {max(0, self.end - self.at)} bytes")
        return False

    def word(self, offset: int, size: int = 2) -> int:
        """The big-endian number at `at + offset`."""
        return int.from_bytes(self.data[self.at + offset : self.at + offset + size], "big")

    def limit(self, length: int) -> None:
        """What follows is `length` bytes long on the wire: drop padding, note what was cut."""
        self.wire_end = self.at + length
        self.end = min(self.end, self.wire_end)

    def packet(self) -> Packet:
        return Packet(
            tuple(self.layers), tuple(self.vlans), tuple(self.mpls), tuple(self.outer),
            self.ip, self.tcp, self.icmp, self.udp, tuple(self.problems),
        )  # fmt: skip


def decode(data: bytes, link: int, wire_length: int | None = None) -> Packet:
    """The packet in one captured frame of LINKTYPE_ number `link`.

    `wire_length` is the frame's original length in bytes. Never raises: an unknown link type gives a packet without
    `ip` that says so in `problems`.
    """
    from captures.wire.steps import follow, link_start

    length = len(data) if wire_length is None else max(wire_length, len(data))
    draft = Draft(data, 0, len(data), length)
    follow(draft, link_start(link))
    return draft.packet()


def decode_ip(data: bytes, quoted: bool = False) -> Packet:
    """The packet that starts with an IP header at `data[0]`; `quoted` ones (inside ICMP errors) may be cut anywhere."""
    from captures.wire.steps import follow

    draft = Draft(data, 0, len(data), len(data), quoted=quoted)
    follow(draft, "ip")
    return draft.packet()
