"""Small programs that the lab runs inside a namespace: ``python3 -m tests.lab_recordings.helpers NAME ARGUMENTS``."""

from __future__ import annotations

import array
import errno
import fcntl
import http.server
import select
import socket
import struct
import sys
import time
from collections import deque
from pathlib import Path

from tests.lab_recordings import injector

LINE_DELAY = 0.004
LIFE = 180.0  # seconds after which a helper ends by itself


def tune(*interfaces: str) -> None:
    """Set this namespace's kernel up: forwarding, no redirects, unlimited ICMP errors, whole checksums."""
    ipv4, ipv6 = Path("/proc/sys/net/ipv4"), Path("/proc/sys/net/ipv6")
    for switch in (ipv4 / "ip_forward", ipv6 / "conf/all/forwarding"):
        switch.write_text("1")
    for limit in (ipv4 / "icmp_ratelimit", ipv4 / "icmp_ratemask", ipv6 / "icmp/ratelimit"):
        limit.write_text("0")
    for interface in (ipv4 / "conf").iterdir():
        (interface / "rp_filter").write_text("0")
        (interface / "send_redirects").write_text("0")
    for name in interfaces:
        disable_checksum_offload(name)


def disable_checksum_offload(interface: str) -> None:
    """Do what ``ethtool -K INTERFACE tx off`` does: the kernel writes full checksums, nothing is merged."""
    siocethtool, ethtool_stxcsum = 0x8946, 0x17
    value = array.array("I", [ethtool_stxcsum, 0])
    request = struct.pack("16sP", interface.encode(), value.buffer_info()[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        fcntl.ioctl(handle, siocethtool, request)


def line(first: str, second: str) -> None:
    """Carry frames between two interfaces, each LINE_DELAY seconds late: a long-distance line."""
    ends = [socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) for _ in range(2)]
    for end, name in zip(ends, (first, second), strict=True):
        end.bind((name, 3))
    other = {ends[0]: ends[1], ends[1]: ends[0]}
    waiting: deque[tuple[float, socket.socket, bytes]] = deque()
    stop = time.monotonic() + LIFE
    say_ready()
    while time.monotonic() < stop:
        pause = max(0.0, waiting[0][0] - time.monotonic()) if waiting else 1.0
        for end in select.select(ends, [], [], pause)[0]:
            frame, origin = end.recvfrom(65535)
            if origin[2] != socket.PACKET_OUTGOING:
                waiting.append((time.monotonic() + LINE_DELAY, other[end], frame))
        while waiting and waiting[0][0] <= time.monotonic():
            _, end, frame = waiting.popleft()
            end.send(frame)


def warm(*addresses: str) -> None:
    """Knock at a closed port of each address, so that every node on the way knows its neighbours."""
    for address in addresses:
        try:
            socket.create_connection((address, 9), timeout=3).close()
        except ConnectionRefusedError:
            continue
        sys.exit(f"{address}: port 9 should be closed")


def hold(address: str, port: str, count: str = "1") -> None:
    """Open connections one after the other, wait for each greeting, and keep them open without a word."""
    held = []
    for _ in range(int(count)):
        connection = socket.create_connection((address, int(port)), timeout=5)
        connection.recv(256)
        held.append(connection)
    say_ready()
    time.sleep(LIFE)


def quiet(address: str, port: str) -> None:
    """Connect, say nothing, and wait until the other side closes."""
    with socket.create_connection((address, int(port)), timeout=10) as connection:
        while connection.recv(256):
            pass


def burst(address: str, port: str, count: str, seconds: str) -> None:
    """Ask for connections, all at the same moment, and leave them alone for some seconds."""
    held = []
    for _ in range(int(count)):
        connection = socket.socket()
        connection.setblocking(False)
        if connection.connect_ex((address, int(port))) not in (0, errno.EINPROGRESS):
            sys.exit("a connection could not be asked for")
        held.append(connection)
    say_ready()
    time.sleep(float(seconds))


def sweep(address: str, port: str, most: str) -> None:
    """Ask for a connection with TTL 1, 2 and so on, a third of a second apart, as tcptraceroute does."""
    for ttl in range(1, int(most) + 1):
        with socket.socket() as connection:
            connection.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
            connection.settimeout(0.3)
            connection.bind(("", 40000 + ttl))
            connection.connect_ex((address, int(port)))
        time.sleep(0.3)


def mute(port: str) -> None:
    """Accept every connection on a port, and never read or say anything."""
    held: list[socket.socket] = []
    with socket.create_server(("", int(port))) as listener:
        listener.settimeout(LIFE)
        say_ready()
        for _ in range(100):
            connection, _ = listener.accept()
            held.append(connection)


def web(port: str) -> None:
    """Serve HTTP on a port; what is not HTTP gets a "400" with a proper status line."""

    class Handler(http.server.BaseHTTPRequestHandler):
        default_request_version = "HTTP/1.0"
        server_version, sys_version = "web/1.0", ""

    with http.server.HTTPServer(("", int(port)), Handler) as server:
        server.timeout = LIFE
        say_ready()
        for _ in range(100):
            server.handle_request()


def inject(interface: str, port: str, kind: str) -> None:
    """Watch an interface and reset connections to a port: see ``injector``."""
    injector.watch(interface, int(port), injector.KINDS[kind], say_ready, time.monotonic() + LIFE)


def say_ready() -> None:
    """Tell the process that started this helper that it is at work."""
    print("ready", flush=True)


HELPERS = {h.__name__: h for h in (tune, line, warm, hold, quiet, burst, sweep, mute, web, inject)}

if __name__ == "__main__":
    HELPERS[sys.argv[1]](*sys.argv[2:])
