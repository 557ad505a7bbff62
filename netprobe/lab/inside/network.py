"""Build a network of namespaces from orders on standard input (JSON, see plan.py).

It runs as a process of its own because it goes from namespace to namespace; whoever started it stays where it was. It says
nothing and exits with 0 when all is built; what it leaves when it fails is removed by name.
"""

import array
import contextlib
import fcntl
import json
import os
import socket
import struct
import sys
from typing import Any

from pyroute2 import IPRoute, netns

HOST = {
    "net/ipv4/icmp_ratelimit": 0,  # every refusal is answered; scenarios about limits set their own
    "net/ipv4/icmp_ratemask": 0,
    "net/ipv6/icmp/ratelimit": 0,
    "net/ipv4/conf/all/rp_filter": 0,
    "net/ipv4/conf/default/rp_filter": 0,
    "net/ipv4/conf/all/accept_redirects": 0,
    "net/ipv4/conf/default/accept_redirects": 0,
    "net/ipv4/conf/all/send_redirects": 0,
    "net/ipv4/conf/default/send_redirects": 0,
    "net/ipv6/conf/all/accept_redirects": 0,
    "net/ipv6/conf/default/accept_redirects": 0,
    "net/ipv6/conf/default/accept_dad": 0,
    "net/ipv6/conf/default/dad_transmits": 0,
    "net/ipv6/conf/default/accept_ra": 0,
    "net/ipv6/conf/default/router_solicitations": 0,
}
ROUTER = {"net/ipv4/ip_forward": 1, "net/ipv6/conf/all/forwarding": 1}
WIRE = {"net/ipv6/conf/all/disable_ipv6": 1, "net/ipv6/conf/default/disable_ipv6": 1}


def main() -> None:
    orders = json.load(sys.stdin)
    for node in orders["nodes"]:
        netns.setns(node["namespace"], flags=os.O_CREAT | os.O_EXCL, fork=False)
        switches = {**HOST, **(ROUTER if node["router"] else {}), **(WIRE if node["wire"] else {})}
        for name, value in {**switches, **node["sysctl"]}.items():
            switch(name, value)
    for (one, name, mac), (two, peer_name, peer_mac) in orders["links"]:
        netns.setns(one, flags=0, fork=False)
        far = os.open(f"/run/netns/{two}", os.O_RDONLY)
        with IPRoute() as net:
            peer = {"ifname": peer_name, "address": peer_mac, "net_ns_fd": far}
            net.link("add", ifname=name, kind="veth", address=mac, peer=peer)
        os.close(far)
    for node in orders["nodes"]:
        furnish(node)
    # Interfaces come up in the order of the nodes; routes need both ends of their link.
    for node in orders["nodes"]:
        lead(node)


def furnish(node: dict[str, Any]) -> None:
    """Interfaces up, whole checksums, addresses."""
    netns.setns(node["namespace"], flags=0, fork=False)
    with IPRoute() as net:
        index = {link.get_attr("IFLA_IFNAME"): link["index"] for link in net.get_links()}
        for name, number in index.items():
            if name == "lo" or name.startswith("to-"):
                disable_checksum_offload(name)
                net.link("set", index=number, state="up")
        for name, address, length in node["addresses"]:
            flags = {} if ":" not in address else {"IFA_FLAGS": 2}  # nodad
            net.addr("add", index=index[name], address=address, prefixlen=length, **flags)


def lead(node: dict[str, Any]) -> None:
    """Routes."""
    if not node["routes"]:
        return
    netns.setns(node["namespace"], flags=0, fork=False)
    with IPRoute() as net:
        for route in node["routes"]:
            gates = route.get("via", [])
            how: dict[str, Any] = {"type": route["type"]} if "type" in route else {"gateway": gates[0]}
            if len(gates) > 1:
                how = {"multipath": [{"gateway": gate} for gate in gates]}
            family = socket.AF_INET6 if ":" in route["to"] else socket.AF_INET
            net.route("add", family=family, dst=route["to"], **how)


def switch(name: str, value: object) -> None:
    """Set one of the kernel's switches of this namespace; a kernel that lacks it behaves as the switch would make it."""
    with contextlib.suppress(FileNotFoundError), open(f"/proc/sys/{name}", "w", encoding="ascii") as file:
        file.write(str(value))


def disable_checksum_offload(interface: str) -> None:
    """What ``ethtool -K INTERFACE tx off`` does: the kernel writes full checksums, nothing is merged."""
    siocethtool, ethtool_stxcsum = 0x8946, 0x17
    value = array.array("I", [ethtool_stxcsum, 0])
    request = struct.pack("16sP", interface.encode(), value.buffer_info()[0])
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        fcntl.ioctl(handle, siocethtool, request)


if __name__ == "__main__":
    main()
