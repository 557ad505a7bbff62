"""The Internet checksum, against scapy's."""

from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, in4_chksum
from scapy.layers.inet6 import IPv6, in6_chksum
from scapy.packet import Raw
from scapy.utils import checksum

from captures.packet import decode_ip
from captures.wire.checksum import ones_complement_sum, transport_ok
from tests.craft import law


@law(300)
@given(st.binary(max_size=200))
def test_the_sum_is_the_complement_of_the_checksum(data: bytes) -> None:
    """Zero has two forms: the sum of no bytes, or of only zero bytes, is the one and every other the other."""
    assert ones_complement_sum(data) == 0xFFFF ^ checksum(data)


@law(100)
@given(st.binary(max_size=200))
def test_data_that_holds_its_own_checksum_sums_to_all_ones(data: bytes) -> None:
    even = data + bytes(len(data) % 2)
    assert ones_complement_sum(even + checksum(even).to_bytes(2, "big")) == 0xFFFF


def test_only_zero_bytes_sum_to_zero() -> None:
    assert ones_complement_sum(b"") == 0
    assert ones_complement_sum(bytes(7)) == 0
    assert ones_complement_sum(b"\xff\xff" * 5) == 0xFFFF


@law(100)
@given(st.binary(max_size=60), st.sampled_from([4, 6]), st.integers(0, 255))
def test_the_pseudo_header_is_scapys(data: bytes, version: int, protocol: int) -> None:
    layer = IP(src="192.0.2.1", dst="198.51.100.7") if version == 4 else IPv6(src="2001:db8::1", dst="2001:db8::7")
    ip = decode_ip(bytes(layer / TCP() / Raw(data))).ip
    assert ip is not None
    body = bytes(2) + data
    right = in4_chksum(protocol, layer, body) if version == 4 else in6_chksum(protocol, layer, body)
    assert transport_ok(ip, right.to_bytes(2, "big") + data, protocol) is True
    assert transport_ok(ip, (right ^ 0x0100).to_bytes(2, "big") + data, protocol) is False
