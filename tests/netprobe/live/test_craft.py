"""Packets of our own making, as scapy reads them."""

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6

from captures.flags import ACK, PSH
from netprobe.live.craft import Ends, datagram, echo, packet, recorded, segment
from tests.notation import CLIENT4, CLIENT6, SERVER4, SERVER6


@pytest.mark.parametrize(("source", "target", "layer"), [(CLIENT4, SERVER4, IP), (CLIENT6, SERVER6, IPv6)])
def test_a_probe_is_a_syn_as_a_client_sends_it(source: str, target: str, layer: type) -> None:
    ends = Ends(source, 40000, target, 22)
    whole = layer(packet(ends, segment(ends, 7), ttl=5, ip_id=0x105))
    assert (str(whole.src), str(whole.dst)) == (source, target)
    if layer is IP:
        assert (whole.ttl, whole.id, whole.tos) == (5, 0x105, 0x48)
    else:
        assert (whole.hlim, whole.tc) == (5, 0x48)
        assert whole.fl
    tcp = whole[TCP]
    assert (tcp.sport, tcp.dport, tcp.seq, str(tcp.flags), tcp.window) == (40000, 22, 7, "S", 64240)
    assert [name for name, _ in tcp.options] == ["MSS", "SAckOK", "Timestamp", "NOP", "WScale"]
    sent = tcp.chksum
    del tcp.chksum
    assert layer(bytes(whole))[TCP].chksum == sent


@pytest.mark.parametrize(
    ("source", "target", "layer", "kind"),
    [(CLIENT4, SERVER4, IP, ICMP), (CLIENT6, SERVER6, IPv6, ICMPv6EchoRequest)],
)
def test_a_ping_and_a_datagram_are_as_anybody_sends_them(source: str, target: str, layer: type, kind: type) -> None:
    ends, sums = Ends(source, 40000, target, 33434), set()
    for number in (1, 2, 300):
        message, protocol = echo(ends, number)
        ping = layer(packet(ends, message, ttl=7, protocol=protocol))[kind]
        assert (ping.id, ping.seq) == (40000, number)
        sums.add(
            checked(layer, packet(ends, message, ttl=7, protocol=protocol), kind, "chksum" if layer is IP else "cksum")
        )
    assert len(sums) == 1  # balancers may look at it
    message, protocol = datagram(ends)
    whole = packet(ends, message, ttl=7, protocol=protocol)
    assert (layer(whole)[UDP].sport, layer(whole)[UDP].dport, layer(whole)[UDP].len) == (40000, 33434, 8)
    checked(layer, whole, UDP, "chksum")


def checked(layer: type, data: bytes, kind: type, name: str) -> int:
    """The checksum, which scapy computes as well."""
    whole = layer(data)
    sent = int(getattr(whole[kind], name))
    delattr(whole[kind], name)
    assert getattr(layer(bytes(whole))[kind], name) == sent
    return sent


@pytest.mark.parametrize(("source", "target", "layer"), [(CLIENT4, SERVER4, IP), (CLIENT6, SERVER6, IPv6)])
def test_a_segment_with_bytes_is_of_its_connection(source: str, target: str, layer: type) -> None:
    ends = Ends(source, 40000, target, 22)
    old = segment(ends, -3, PSH | ACK, b"", ack=1 << 32 | 9, window=63, payload=b"abc")
    whole = layer(packet(ends, old, ttl=30, label=0x12345))
    tcp = whole[TCP]
    assert (tcp.seq, tcp.ack, str(tcp.flags), tcp.window) == (0xFFFFFFFD, 9, "PA", 63)
    assert bytes(tcp.payload) == b"abc"
    assert layer is IP or whole.fl == 0x12345
    sent = tcp.chksum
    del tcp.chksum
    assert layer(bytes(whole))[TCP].chksum == sent


@pytest.mark.parametrize(("room", "size"), [(0, 4), (2, 12), (9, 40), (12, 40)])
def test_a_record_route_option_is_full_or_has_no_whole_place_left(room: int, size: int) -> None:
    ends, kept = Ends(CLIENT4, 40000, SERVER4, 22), min(room, 9)
    whole = IP(packet(ends, segment(ends, 7), ttl=30, options=recorded(room, spoilt=False)))
    option = whole.options[0]
    assert (option.length, option.pointer) == (3 + 4 * kept, 4 + 4 * kept)
    assert (whole.ihl * 4 - 20, whole[TCP].dport) == (size, 22)
    sent = whole.chksum
    del whole.chksum
    assert IP(bytes(whole)).chksum == sent
    spoilt = recorded(room, spoilt=True)  # scapy does not read these
    assert (spoilt[:3], len(spoilt)) == (bytes((7, 4 + 4 * kept, 4)), size)
