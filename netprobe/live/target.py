"""What the user typed -> the addresses and the port to ask: names, addresses, IPv6 in brackets, ssh_config aliases."""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, NamedTuple

from netprobe.errors import BadTarget

SSH_PORT = 22
_BROADCAST = IPv4Address("255.255.255.255")


class Target(NamedTuple):
    """One thing to diagnose: as typed, and every address that its name has, in the order in which ssh would try them."""

    typed: str
    name: str
    port: int
    addresses: tuple[str, ...]


def resolve(typed: str, family: int = 0, numeric: bool = False) -> Target:
    """`HOST[:PORT]`, `[V6]:PORT` or an alias of ssh_config; `family` 4 or 6 limits the addresses.

    Raises `BadTarget` with one line when the text is no target, or the name has no address.
    """
    host, port = _split(typed)
    if not _is_address(host) and not numeric:
        host, port = _alias(host, port)
    wanted = {0: socket.AF_UNSPEC, 4: socket.AF_INET, 6: socket.AF_INET6}[family]
    try:
        # An address as bytes: for a text Python imports its codec of international names.
        given = host.encode() if _is_address(host) else host
        found = socket.getaddrinfo(given, port or SSH_PORT, wanted, socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise BadTarget(
            f"{host} does not resolve: {error.strerror}; no packet was sent. Check: getent ahosts {host}"
        ) from None
    except UnicodeError:
        raise BadTarget(f"{host!r} is no host name") from None
    for entry in found:
        _refuse_many(ip_address(str(entry[4][0]).partition("%")[0]), typed)
    addresses = tuple(dict.fromkeys(_with_zone(entry[4]) for entry in found))
    return Target(typed, host, port or SSH_PORT, addresses)


def _refuse_many(address: IPv4Address | IPv6Address, typed: str) -> None:
    """Raises BadTarget for an address that is no single host's."""
    kind = "multicast" if address.is_multicast else "unspecified" if address.is_unspecified else ""
    if kind or address == _BROADCAST:
        raise BadTarget(
            f"{typed}: {address} is {'the ' if kind != 'multicast' else 'a '}{kind or 'broadcast'} address; name one host"
        )


def _with_zone(found: tuple[Any, ...]) -> str:
    """The address of a socket address, with the interface that a link-local one needs: fe80::1%eth0. An IPv4 address that is
    written as IPv6 (::ffff:192.0.2.1) is the IPv4 address: its packets are."""
    mapped = getattr(ip_address(str(found[0]).partition("%")[0]), "ipv4_mapped", None)
    if mapped is not None:
        return str(mapped)
    address, scope = str(found[0]), int(found[3]) if len(found) > 3 else 0
    return f"{address}%{socket.if_indextoname(scope)}" if scope and "%" not in address else address


def _split(typed: str) -> tuple[str, int | None]:
    """Host and port, None when no port was given. A bare IPv6 address has no port."""
    text = typed.rpartition("@")[2]
    if text.startswith("["):
        host, closed, rest = text[1:].partition("]")
        if closed and not rest and _is_address(host):
            return host, None
        if rest.startswith(":") and _is_address(host):
            return host, _port(rest[1:], typed)
        raise BadTarget(f"{typed}: write an IPv6 address with a port as [2001:db8::1]:22")
    if text.count(":") > 1:
        if _is_address(text):
            return text, None
        raise BadTarget(f"{typed} is no IPv6 address")
    host, colon, port = text.partition(":")
    if not host:
        raise BadTarget(f"{typed!r} names no host")
    return host, _port(port, typed) if colon else None


def _port(text: str, typed: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 65_536:
        raise BadTarget(f"{typed}: {text!r} is no port; a port is a number from 1 to 65535")
    return int(text)


def _is_address(text: str) -> bool:
    try:
        ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


def _alias(host: str, port: int | None) -> tuple[str, int | None]:
    """What ssh would make of the name: its HostName and Port. Without ssh the name as it is."""
    if host.startswith("-"):
        return host, port
    import subprocess

    command = ["ssh", "-G", *(["-p", str(port)] if port else []), "--", host]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return host, port
    words = dict(line.split(" ", 1) for line in said.stdout.splitlines() if " " in line)
    return words.get("hostname", host), int(words.get("port", port or SSH_PORT))
