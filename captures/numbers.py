"""What the numbers in headers mean to the scan: link types, EtherTypes, protocols, ICMP types and ports, as tables to look up in."""

from functools import cache
from typing import Any

import numpy as np

from captures.table import Array
from captures.wire.link import ETHERTYPES
from captures.wire.tunnel import UDP_TUNNELS

_IP_TYPES = [value for value, step in ETHERTYPES.items() if step == "ip"]
_VLAN_TYPES = [value for value, step in ETHERTYPES.items() if step == "vlan"]
_OTHER_TYPES = [value for value, step in ETHERTYPES.items() if step not in ("ip", "vlan")]


def _table(values: list[int], size: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    table = np.zeros(size, np.bool_)
    table[values] = True
    return table


IS_IP = _table(_IP_TYPES, 1 << 16)
IS_VLAN = _table(_VLAN_TYPES, 1 << 16)
SLOW_TYPE = _table([*_OTHER_TYPES, *range(0x0600)], 1 << 16)
TUNNEL_PORT = _table(list(UDP_TUNNELS), 1 << 16)
SLOW_PROTOCOL = _table([0, 4, 41, 43, 44, 47, 51, 60, 135, 139, 140, 253, 254], 256)
V4_ERROR = _table([3, 4, 5, 11, 12], 256)
V6_ERROR = _table([1, 2, 3, 4], 256)
PROBED_PORT = _table([*range(33_000, 34_000), *range(44_444, 44_544)], 1 << 16)  # traceroute, mtr; tracepath
MOST_HOPS = 30  # of a traceroute
V4_ECHO, V6_ECHO = _table([0, 8], 256), _table([128, 129], 256)

LINK_OFFSETS = {1: 12, 113: 14, 276: 0}  # where the EtherType stands
LINK_SIZES = {1: 14, 113: 16, 276: 20, 101: 0, 12: 0, 14: 0, 228: 0, 229: 0, 0: 4, 108: 4}
DECODED_LINKS = frozenset({9, 50, 51, 104, 105, 109, 119, 127, 192, 204})  # known, but always decoded frame by frame


@cache
def meanings(echoes: bool = True) -> list[Array]:
    """What the numbers in headers mean, as native.c asks for it; with `echoes` pings are left for the full decode."""
    size, kind = np.full(1 << 16, -1, np.int8), np.full(1 << 16, -1, np.int8)
    size[list(LINK_SIZES)] = list(LINK_SIZES.values())
    size[list(DECODED_LINKS)] = -2
    kind[list(LINK_OFFSETS)] = list(LINK_OFFSETS.values())
    types = IS_IP | IS_VLAN.astype(np.uint8) * 2 | SLOW_TYPE.astype(np.uint8) * 4
    udp = TUNNEL_PORT.astype(np.uint8) | (PROBED_PORT.astype(np.uint8) * 2 if echoes else 0)
    numbers = SLOW_PROTOCOL | V4_ERROR.astype(np.uint8) * 2 | V6_ERROR.astype(np.uint8) * 4
    if echoes:
        numbers = numbers | V4_ECHO.astype(np.uint8) * 8 | V6_ECHO.astype(np.uint8) * 16
    return [size, kind, types, udp.astype(np.uint8), numbers, np.array([MOST_HOPS], np.uint8)]
