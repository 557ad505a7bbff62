"""What an IP packet may travel in: every link type, tag, label and tunnel that `captures.wire` names, built by scapy.

`every_frame()` is all of them with packets of every kind inside, for the laws that hold for any frame.
"""

import struct
from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any, NamedTuple

from scapy.contrib.erspan import ERSPAN_II, ERSPAN_III, ERSPAN_PlatformSpecific
from scapy.contrib.geneve import GENEVE, GeneveOptions
from scapy.contrib.gtp import GTP_U_Header, GTPPDUSessionContainer
from scapy.contrib.mpls import MPLS
from scapy.layers.dot11 import Dot11, Dot11QoS, RadioTap
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import GRE, LLC, SNAP, CookedLinux, CookedLinuxV2, Dot1AD, Dot1Q, Dot3, Ether
from scapy.layers.ppp import PPP, PPPoE
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet as Layer
from scapy.packet import Raw

from tests.craft import innermost, some_bytes

MAC = "02:00:00:00:00:01"


class Carrier(NamedTuple):
    """A way to carry an IP packet: the capture's link type, the frame around it, and what the decode must say of it."""

    name: str
    link: int
    layers: tuple[str, ...]
    wrap: Callable[[Layer], Any]
    vlans: tuple[int, ...]
    mpls: tuple[int, ...]
    families: tuple[int, ...]

    def frame(self, inner: Layer) -> bytes:
        return bytes(self.wrap(inner))


def _row(
    name: str, link: int, layers: str, wrap: Callable[[Layer], Any], vlans: tuple[int, ...] = (),
    mpls: tuple[int, ...] = (), family: int = 0,
) -> Carrier:  # fmt: skip
    """`family` is 4 or 6 where the carrier takes only one."""
    return Carrier(name, link, tuple(layers.split()), wrap, vlans, mpls, (family,) if family else (4, 6))


def _ether(**fields: Any) -> Layer:
    """With both addresses, as scapy asks the network for one that is missing."""
    return Ether(src=MAC, dst=MAC, **fields)


def _type(inner: Layer) -> int:
    return 0x86DD if isinstance(inner, IPv6) else 0x0800


def _bare(inner: Layer) -> Layer:
    return inner


def _snap(inner: Layer) -> Layer:
    return LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP(code=_type(inner)) / inner


def _ppp(inner: Layer) -> Layer:
    return PPP(proto=0x57 if isinstance(inner, IPv6) else 0x21) / inner


def _v4(protocol: int) -> Layer:
    return IP(src="203.0.113.1", dst="203.0.113.2", ttl=7, id=9, proto=protocol)


def _v6(protocol: int) -> Layer:
    return IPv6(src="2001:db8::1", dst="2001:db8::2", hlim=7, nh=protocol)


def _over4(protocol: int) -> Layer:
    return _ether() / _v4(protocol)


def _over_udp(port: int) -> Layer:
    return _over4(17) / UDP(sport=50000, dport=port)


def _gre(protocol: int | None = None, **fields: Any) -> Callable[[Layer], Layer]:
    return lambda inner: _over4(47) / GRE(proto=protocol or _type(inner), **fields) / inner


def radiotap(flags: int | None, timer: bool, words: int, tail: bytes = b"") -> Callable[[Layer], bytes]:
    """A radiotap header with any of: the 8-byte timer, the flags byte, further presence words; written by hand."""

    def wrap(inner: Layer) -> bytes:
        present = [(1 if timer else 0) | (2 if flags is not None else 0) | 4] + [0] * words
        body = b"".join(struct.pack("<I", word | (0x80000000 if n < words else 0)) for n, word in enumerate(present))
        if timer:
            body += bytes(-(4 + len(body)) % 8) + bytes(8)
        body += (bytes([flags]) if flags is not None else b"") + b"\x0c"
        return struct.pack("<BBH", 0, 0, 4 + len(body)) + body + bytes(_data_frame(inner)) + tail

    return wrap


def _data_frame(inner: Layer, flags: int = 1, **fields: Any) -> Layer:
    return Dot11(type=2, subtype=0, FCfield=flags, **fields) / _snap(inner)


def _qos(inner: Layer, flags: int = 2, amsdu: bool = False) -> Layer:
    body: Layer = _snap(inner)
    if amsdu:
        body = Raw(struct.pack(">6s6sH", bytes(6), bytes(6), len(body))) / body
    return Dot11(type=2, subtype=8, FCfield=flags) / Dot11QoS(A_MSDU_Present=int(amsdu)) / body


def _prism(inner: Layer) -> bytes:
    return struct.pack("<II", 0x44, 144) + bytes(136) + bytes(_data_frame(inner))


def _avs(inner: Layer) -> bytes:
    return struct.pack(">II", 0x80211001, 64) + bytes(56) + bytes(_data_frame(inner))


def _teredo(prefix: bytes) -> Callable[[Layer], Layer]:
    return lambda inner: _over_udp(3544) / Raw(prefix) / inner


CARRIERS: tuple[Carrier, ...] = (
    _row("ethernet", 1, "eth", lambda p: _ether() / p),
    _row("ethernet padded to 60 bytes", 1, "eth", lambda p: bytes(_ether() / p).ljust(60, b"\xee")),
    _row("one VLAN tag", 1, "eth vlan", lambda p: _ether() / Dot1Q(vlan=5, prio=7) / p, vlans=(5,)),
    _row("two VLAN tags", 1, "eth vlan vlan",
         lambda p: _ether() / Dot1AD(vlan=4095) / Dot1Q(vlan=0) / p, vlans=(4095, 0)),
    _row("six VLAN tags of every type", 1, "eth vlan vlan vlan vlan vlan vlan",
         lambda p: _ether(type=0x9100) / Dot1Q(vlan=1, type=0x9200) / Dot1Q(vlan=2, type=0x88A8) / Dot1Q(vlan=3)
         / Dot1Q(vlan=4) / Dot1Q(vlan=5) / Dot1Q(vlan=6) / p, vlans=(1, 2, 3, 4, 5, 6)),
    _row("LLC with SNAP", 1, "eth llc", lambda p: Dot3(src=MAC, dst=MAC) / _snap(p)),
    _row("LLC with SNAP behind a VLAN tag", 1, "eth vlan llc",
         lambda p: _ether() / Dot1Q(vlan=9, type=len(_snap(p))) / _snap(p), vlans=(9,)),
    _row("LLC with IP's own access point", 1, "eth llc",
         lambda p: Dot3(src=MAC, dst=MAC) / LLC(dsap=6, ssap=6, ctrl=3) / p, family=4),
    _row("MPLS", 1, "eth mpls mpls",
         lambda p: _ether(type=0x8847) / MPLS(label=16, s=0) / MPLS(label=1048575, s=1) / p, mpls=(16, 1048575)),
    _row("MPLS behind a VLAN tag", 1, "eth vlan mpls",
         lambda p: _ether() / Dot1Q(vlan=8, type=0x8848) / MPLS(label=77, s=1) / p, vlans=(8,), mpls=(77,)),
    _row("an MPLS pseudowire", 1, "eth mpls eth",
         lambda p: _ether(type=0x8847) / MPLS(label=18, s=1) / Raw(bytes(4)) / _ether() / p, mpls=(18,)),
    _row("PPPoE", 1, "eth pppoes ppp", lambda p: _ether(type=0x8864) / PPPoE(sessionid=3) / _ppp(p)),
    _row("PPPoE behind two VLAN tags", 1, "eth vlan vlan pppoes ppp",
         lambda p: _ether() / Dot1Q(vlan=2) / Dot1Q(vlan=3, type=0x8864) / PPPoE() / _ppp(p), vlans=(2, 3)),
    _row("PPPoE with a compressed protocol", 1, "eth pppoes ppp",
         lambda p: _ether(type=0x8864) / PPPoE(len=len(p) + 1) / Raw(b"\x21") / p, family=4),
    _row("PPPoE without Ethernet", 51, "pppoes ppp", lambda p: PPPoE(sessionid=3) / _ppp(p)),
    _row("Linux cooked", 113, "sll", lambda p: CookedLinux(proto=_type(p)) / p),
    _row("Linux cooked with a VLAN tag", 113, "sll vlan",
         lambda p: CookedLinux(proto=0x8100) / Dot1Q(vlan=44) / p, vlans=(44,)),
    _row("Linux cooked with LLC", 113, "sll llc", lambda p: CookedLinux(proto=4) / _snap(p)),
    _row("Linux cooked v2", 276, "sll2", lambda p: CookedLinuxV2(proto=_type(p)) / p),
    _row("Linux cooked v2 with a VLAN tag", 276, "sll2 vlan",
         lambda p: CookedLinuxV2(proto=0x8100) / Dot1Q(vlan=45) / p, vlans=(45,)),
    _row("raw IP", 101, "", _bare),
    _row("raw IP as BSD/OS numbers it", 12, "", _bare),
    _row("raw IP as OpenBSD numbers it", 14, "", _bare),
    _row("raw IPv4", 228, "", _bare, family=4),
    _row("raw IPv6", 229, "", _bare, family=6),
    _row("BSD loopback", 0, "null", lambda p: struct.pack("<I", 30 if isinstance(p, IPv6) else 2) + bytes(p)),
    _row("BSD loopback of a big-endian machine", 0, "null",
         lambda p: struct.pack(">I", 24 if isinstance(p, IPv6) else 2) + bytes(p)),
    _row("OpenBSD loopback", 108, "null", lambda p: struct.pack(">I", 24 if isinstance(p, IPv6) else 2) + bytes(p)),
    _row("OpenBSD IPsec", 109, "enc", lambda p: struct.pack("<III", 2, 7, 0) + bytes(p)),
    _row("PPP", 9, "ppp", _ppp),
    _row("PPP with address and control", 9, "ppp", lambda p: Raw(b"\xff\x03") / _ppp(p)),
    _row("PPP in HDLC", 50, "ppp-hdlc ppp", lambda p: Raw(b"\xff\x03") / _ppp(p)),
    _row("Cisco HDLC told by its address byte", 50, "ppp-hdlc chdlc",
         lambda p: struct.pack(">BBH", 0x0F, 0, _type(p)) + bytes(p)),
    _row("PPP with MPLS", 9, "ppp mpls", lambda p: Raw(b"\x02\x81") / MPLS(label=5, s=1) / p, mpls=(5,)),
    _row("PPP with a direction byte", 204, "ppp-dir ppp", lambda p: Raw(b"\x01\xff\x03") / _ppp(p)),
    _row("Cisco HDLC", 104, "chdlc", lambda p: struct.pack(">BBH", 0x8F, 0, _type(p)) + bytes(p)),
    _row("802.11 to the access point", 105, "wlan llc", _data_frame),
    _row("802.11 with quality of service", 105, "wlan llc", _qos),
    _row("802.11 with HT control", 105, "wlan llc",
         lambda p: Dot11(type=2, subtype=8, FCfield=0x81) / Dot11QoS() / Raw(bytes(4)) / _snap(p)),
    _row("802.11 with four addresses", 105, "wlan llc", lambda p: _data_frame(p, 3, addr4="02:00:00:00:00:04")),
    _row("802.11 with four addresses and quality of service", 105, "wlan llc", lambda p: _qos(p, 3)),
    _row("802.11 with several frames in one", 105, "wlan llc", lambda p: _qos(p, amsdu=True)),
    _row("radiotap", 127, "radiotap wlan llc", lambda p: RadioTap() / _data_frame(p)),
    _row("radiotap with flags", 127, "radiotap wlan llc", radiotap(0, False, 0)),
    _row("radiotap with a checksum behind the frame", 127, "radiotap wlan llc",
         radiotap(0x10, False, 0, b"\xde\xad\xbe\xef")),
    _row("radiotap with a timer", 127, "radiotap wlan llc", radiotap(0x10, True, 0, b"\xde\xad\xbe\xef")),
    _row("radiotap with two presence words and a timer", 127, "radiotap wlan llc",
         radiotap(0x10, True, 1, b"\xde\xad\xbe\xef")),
    _row("radiotap with three presence words", 127, "radiotap wlan llc",
         radiotap(0x10, False, 2, b"\xde\xad\xbe\xef")),
    _row("Prism", 119, "prism wlan llc", _prism),
    _row("AVS", 119, "prism wlan llc", _avs),
    _row("per-packet information", 192, "ppi wlan llc",
         lambda p: struct.pack("<BBHI", 0, 0, 20, 105) + bytes(12) + bytes(_data_frame(p))),
    _row("per-packet information with Ethernet", 192, "ppi eth",
         lambda p: struct.pack("<BBHI", 0, 0, 8, 1) + bytes(_ether() / p)),
    _row("GRE", 1, "eth ip gre", _gre()),
    _row("GRE with checksum, key and sequence number", 1, "eth ip gre",
         _gre(chksum_present=1, key_present=1, seqnum_present=1)),
    _row("GRE over IPv6", 1, "eth ipv6 gre", lambda p: _ether() / _v6(47) / GRE(proto=_type(p)) / p),
    _row("GRE with Ethernet", 1, "eth ip gre eth", lambda p: _over4(47) / GRE(proto=0x6558) / _ether() / p),
    _row("GRE with MPLS", 1, "eth ip gre mpls",
         lambda p: _over4(47) / GRE(proto=0x8847) / MPLS(label=6, s=1) / p, mpls=(6,)),
    _row("PPTP", 1, "eth ip gre ppp",
         lambda p: _over4(47) / Raw(struct.pack(">HHHHII", 0x3081, 0x880B, len(_ppp(p)), 1, 2, 3)) / _ppp(p)),
    _row("ERSPAN type I", 1, "eth ip gre eth", lambda p: _over4(47) / GRE(proto=0x88BE) / Raw(bytes(_ether() / p))),
    _row("ERSPAN type II", 1, "eth ip gre erspan eth",
         lambda p: _over4(47) / GRE(proto=0x88BE, seqnum_present=1) / ERSPAN_II(vlan=3) / _ether() / p),
    _row("ERSPAN type III", 1, "eth ip gre erspan eth",
         lambda p: _over4(47) / GRE(proto=0x22EB, seqnum_present=1) / ERSPAN_III(o=0) / _ether() / p),
    _row("ERSPAN type III with a subheader", 1, "eth ip gre erspan eth",
         lambda p: _over4(47) / GRE(proto=0x22EB, seqnum_present=1) / ERSPAN_III(o=1) / ERSPAN_PlatformSpecific() / _ether() / p),
    _row("IPv4 in IPv4", 1, "eth ip ip-in-ip", lambda p: _over4(4) / p, family=4),
    _row("IPv4 in IPv6", 101, "ipv6 ip-in-ip", lambda p: _v6(4) / p, family=4),
    _row("IPv6 in IPv4", 101, "ip 6in4", lambda p: _v4(41) / p, family=6),
    _row("IPv6 in IPv6", 113, "sll ipv6 6in4", lambda p: CookedLinux(proto=0x86DD) / _v6(41) / p, family=6),
    _row("IPv6 in IPv4 in a VLAN in VXLAN", 1, "eth ip udp vxlan eth vlan ip 6in4",
         lambda p: _over_udp(4789) / VXLAN(vni=1) / _ether() / Dot1Q(vlan=12) / _v4(41) / p, vlans=(12,), family=6),
    _row("VXLAN", 1, "eth ip udp vxlan eth", lambda p: _over_udp(4789) / VXLAN(vni=5) / _ether() / p),
    _row("VXLAN on the port Linux first had", 1, "eth ip udp vxlan eth",
         lambda p: _over_udp(8472) / VXLAN(vni=5, flags=8) / _ether() / p),
    _row("VXLAN that names IP inside", 1, "eth ip udp vxlan",
         lambda p: _over_udp(4789) / Raw(struct.pack(">BBBBI", 0x0C, 0, 0, 2 if isinstance(p, IPv6) else 1, 512)) / p),
    _row("GENEVE with Ethernet", 1, "eth ip udp geneve eth",
         lambda p: _over_udp(6081) / GENEVE(proto=0x6558, vni=4) / _ether() / p),
    _row("GENEVE with options", 1, "eth ip udp geneve",
         lambda p: _over_udp(6081) / GENEVE(proto=_type(p), options=[GeneveOptions(classid=1, type=2, data=bytes(8))]) / p),
    _row("Teredo", 1, "eth ip udp teredo", _teredo(b""), family=6),
    _row("Teredo with its origin", 1, "eth ip udp teredo", _teredo(bytes(8)), family=6),
    _row("Teredo with authentication and origin", 1, "eth ip udp teredo",
         _teredo(b"\0\1\2\3" + bytes(14) + bytes(8)), family=6),
    _row("Teredo from the server's port", 101, "ip udp teredo",
         lambda p: _v4(17) / UDP(sport=3544, dport=50000) / p, family=6),
    _row("GTP-U", 1, "eth ip udp gtp-u", lambda p: _over_udp(2152) / GTP_U_Header(teid=1, gtp_type=255) / p),
    _row("GTP-U with a sequence number", 1, "eth ip udp gtp-u",
         lambda p: _over_udp(2152) / GTP_U_Header(teid=1, gtp_type=255, S=1, seq=7) / p),
    _row("GTP-U with an extension header", 1, "eth ip udp gtp-u",
         lambda p: _over_udp(2152) / GTP_U_Header(teid=1, gtp_type=255, E=1, next_ex=0x85)
         / GTPPDUSessionContainer(type=0, QFI=3, NextExtHdr=0) / p),
)  # fmt: skip


def other_frame(random: Random) -> tuple[int, bytes]:
    """A frame without IP: ARP, spanning tree, an unknown EtherType, a management frame, an unknown link type."""
    return random.choice([
        (1, bytes(_ether(type=0x0806)) + bytes(28)),
        (1, bytes(Dot3(src=MAC, dst=MAC) / LLC(dsap=0x42, ssap=0x42, ctrl=3) / Raw(bytes(35)))),
        (1, bytes(_ether(type=0x88CC)) + some_bytes(random, 60)),
        (1, bytes(_ether() / Dot1Q(vlan=3, type=0x0806)) + bytes(28)),
        (113, bytes(CookedLinux(proto=0x0806)) + bytes(28)),
        (105, bytes(Dot11(type=0, subtype=8)) + bytes(40)),
        (105, bytes(Dot11(type=2, FCfield=0x41)) + random.randbytes(40)),
        (127, bytes(8)),
        (147, random.randbytes(40)),
        (101, random.randbytes(40)),
        (1, b""),
    ])  # fmt: skip


@cache
def every_frame(seed: int = 1, rounds: int = 5) -> tuple[tuple[int, bytes], ...]:
    """(link type, frame): every carrier with packets of every kind, and frames without IP, in mixed order."""
    random = Random(seed)
    out = []
    for carrier in CARRIERS * rounds:
        version = random.choice(carrier.families)
        out.append((carrier.link, carrier.frame(innermost(random, version))))
        out.append(other_frame(random) if random.random() < 0.2 else (1, CARRIERS[0].frame(innermost(random, version))))
    random.shuffle(out)
    return tuple(out)
