"""This host: the way to an address, the next hop's neighbour entry, and rules of its own that may matter. Read only."""

import errno
import socket
from contextlib import suppress
from typing import Any, NamedTuple

_MOST_RULES = 3


class Way(NamedTuple):
    """How this host would send to an address. `refused` is the errno's name when its routing refuses, else "".

    Fields are "" or 0 where they are not known.
    """

    refused: str = ""
    source: str = ""
    device: str = ""
    gateway: str = ""
    mtu: int = 0
    neighbour: str = ""


def socket_address(address: str, port: int) -> tuple[str, int] | tuple[str, int, int, int]:
    """What a socket is told to connect or send to: in IPv6 with the interface of an address that names one (fe80::1%eth0).

    Raises OSError when there is no such interface.
    """
    if ":" not in address:
        return address, port
    plain, _, zone = address.partition("%")
    scope = (int(zone) if zone.isdigit() else socket.if_nametoindex(zone)) if zone else 0
    return plain, port, 0, scope


def route(address: str, source: str = "", device: str = "") -> tuple[str, str]:
    """The errno's name with which routing refuses the address ("" when it does not), and the source address it chose.

    Asked by connecting a datagram socket, which looks up the route and sends nothing.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as asked:
        try:
            if device:
                asked.setsockopt(socket.SOL_SOCKET, 25, device.encode())  # SO_BINDTODEVICE
            if source:
                asked.bind((source, 0))
            asked.connect(socket_address(address, 9))
            return "", str(asked.getsockname()[0])
        except OSError as error:
            return errno.errorcode.get(error.errno or 0, str(error.errno)), ""


def way(address: str, source: str = "") -> Way:
    """All that this host says of the way to the address. Uses netlink where it can be had (Linux)."""
    refused, chosen = route(address, source)
    if refused:
        return Way(refused=refused)
    try:
        from pyroute2 import IPRoute

        with IPRoute() as netlink:
            return _asked(netlink, address, chosen)
    except Exception:  # not Linux, not installed, or not allowed: what the sockets said is still true
        return Way(source=chosen)


def _asked(netlink: Any, address: str, source: str) -> Way:
    found = netlink.route("get", dst=address)[0]
    device = found.get_attr("RTA_OIF")
    gateway = found.get_attr("RTA_GATEWAY") or ""
    link = netlink.get_links(device)[0]
    hop = gateway or address
    entries = [n for n in netlink.get_neighbours(ifindex=device) if n.get_attr("NDA_DST") == hop]
    return Way(
        source=source, device=link.get_attr("IFLA_IFNAME"), gateway=gateway, mtu=link.get_attr("IFLA_MTU") or 0,
        neighbour=_STATES.get(entries[0]["state"], "") if entries else "",
    )  # fmt: skip


_STATES = {
    0x01: "INCOMPLETE", 0x02: "REACHABLE", 0x04: "STALE", 0x08: "DELAY", 0x10: "PROBE", 0x20: "FAILED", 0x40: "NOARP",
    0x80: "PERMANENT",
}  # fmt: skip


class Interface(NamedTuple):
    """What can be listened on. `link` is what its frames begin with, in words, "" where it is not known."""

    name: str
    up: bool | None = None
    addresses: tuple[str, ...] = ()
    link: str = ""


def interfaces() -> list[Interface]:
    """The interfaces of this host, in the kernel's order, and on Linux "any": all of them at once. Needs no rights."""
    linux = [Interface("any", True, (), "Linux cooked")] if hasattr(socket, "AF_PACKET") else []
    try:
        from pyroute2 import IPRoute

        with IPRoute() as netlink:
            found = [_interface(link, list(netlink.get_addr(index=link["index"]))) for link in netlink.get_links()]
    except Exception:  # not Linux, not installed: the names are to be had everywhere
        found = [Interface(name) for _, name in socket.if_nameindex()]
    return found + linux


def _interface(link: Any, addresses: list[Any]) -> Interface:
    said = [f"{a.get_attr('IFA_LOCAL') or a.get_attr('IFA_ADDRESS')}/{a['prefixlen']}" for a in addresses]
    return Interface(
        link.get_attr("IFLA_IFNAME"), bool(link["flags"] & _IFF_UP), tuple(said), _LINKS.get(link["ifi_type"], "")
    )


_IFF_UP = 1
_LINKS = {
    1: "Ethernet", 512: "PPP", 768: "raw IP", 769: "raw IP", 772: "Ethernet", 776: "raw IP", 778: "raw IP", 801: "802.11",
    802: "802.11 with Prism", 803: "802.11 with radiotap", 65534: "raw IP",
}  # fmt: skip
"""By the kernel's number of the device's type (linux/if_arp.h), what libpcap hands out of it. Loopback pretends to be Ethernet."""


def hardware_address(name: str) -> bytes:
    """The interface's own link address; empty where it has none or it cannot be told."""
    try:
        with open(f"/sys/class/net/{name}/address", encoding="ascii") as said:
            return bytes.fromhex(said.read().strip().replace(":", ""))
    except (OSError, ValueError):
        return b""


class Rules:
    """This host's packet filter rules. Listed by nft from the moment this is made, while the rights to do so are there, and
    read when they are asked for: mostly they are not."""

    def __init__(self) -> None:
        import subprocess

        self._listing: subprocess.Popen[str] | None = None
        self._said = ""
        with suppress(OSError):
            self._listing = subprocess.Popen(
                ["nft", "list", "ruleset"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )  # fmt: skip

    def about(self, address: str, port: int) -> tuple[str, ...]:
        """Rules for outgoing packets that name this address or port and refuse. Empty when they may not be read."""
        self.close()
        said = self._said
        out, outgoing = [], False
        for line in map(str.strip, said.splitlines()):
            if line.startswith("chain "):
                outgoing = False
            outgoing = outgoing or "hook output" in line
            refuses = "reject" in line or line.endswith("drop") or " drop " in line
            words = line.split()
            about = str(port) in words if "dport" in words else address in words or "policy drop" in line
            if outgoing and refuses and about:
                out.append(line)
        return tuple(out[:_MOST_RULES])

    def close(self) -> None:
        """Wait for the listing, five seconds at most, and keep it."""
        import subprocess

        if self._listing is not None:
            try:
                self._said = self._listing.communicate(timeout=5)[0]
            except subprocess.TimeoutExpired:
                self._listing.kill()
                self._listing.communicate()
            self._listing = None
