"""Packets of our own making, as scapy reads them."""

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6

from netprobe.live.craft import Ends, packet, segment
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
