"""Record the sample captures: real SSH failures, seen from the client's network interface.

Every sample gets a fresh little network of Linux namespaces::

    client --- r1 --- (line, 4 ms each way) --- r2 --- server, for one sample also three backends
    hop 0      1                                2      3

The script breaks it in one way, runs the real ``ssh`` in the client's namespace while tcpdump records there,
asks tshark whether the packets show what the sample claims, and only then keeps the file.  It needs root,
iproute2, nftables, tcpdump, tshark, OpenSSH (client and server) and HAProxy.  All addresses are documentation
addresses, and no packet leaves the namespaces.

    sudo python3 tests/record_samples.py                      # all of them, about two and a half minutes
    sudo python3 tests/record_samples.py --only forged-reset

``samples.toml`` beside the captures is written by this script too: the truth lives in SAMPLES below.
"""

from __future__ import annotations

import argparse
import array
import fcntl
import http.server
import json
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType

CLIENT = "192.0.2.10"
ROUTER2 = "198.51.100.2"
SERVER = "203.0.113.10"
SERVER6 = "2001:db8:2::10"
NOBODY = "203.0.113.99"  # on the server's network, used by no machine
SERVICE = "198.51.100.80"  # the address that r2 spreads over the pool
POOL = ("203.0.113.21", "203.0.113.22", "203.0.113.23")

LINE_DELAY = 0.004
HELPER_LIFE = 180.0
ATTEMPTS = 5
SIZE_LIMIT = 40_000
OUT = Path(__file__).resolve().parents[1] / "captures" / "samples"


class RecordError(Exception):
    """Something did not work, or the packets do not show what the sample claims."""


# ----------------------------------------------------------------- helpers, run inside a namespace


def helper_tune(interfaces: list[str]) -> None:
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


def helper_line(first: str, second: str) -> None:
    """Carry frames between two interfaces, each LINE_DELAY seconds late: a long-distance line."""
    ends = [socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) for _ in range(2)]
    for end, name in zip(ends, (first, second), strict=True):
        end.bind((name, 3))
    other = {ends[0]: ends[1], ends[1]: ends[0]}
    waiting: deque[tuple[float, socket.socket, bytes]] = deque()
    stop = time.monotonic() + HELPER_LIFE
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


def helper_warm(addresses: list[str]) -> None:
    """Knock at a closed port of each address, so that every node on the way knows its neighbours."""
    for address in addresses:
        try:
            socket.create_connection((address, 9), timeout=3).close()
        except ConnectionRefusedError:
            continue
        raise RecordError(f"{address}: port 9 should be closed")


def helper_hold(address: str, port: str) -> None:
    """Open a connection, wait for the greeting, and keep it open without a word."""
    with socket.create_connection((address, int(port)), timeout=5) as connection:
        connection.recv(256)
        say_ready()
        time.sleep(HELPER_LIFE)


def helper_mute(port: str) -> None:
    """Accept every connection on a port, and never read or say anything."""
    held: list[socket.socket] = []
    with socket.create_server(("", int(port))) as listener:
        listener.settimeout(HELPER_LIFE)
        say_ready()
        for _ in range(100):
            connection, _ = listener.accept()
            held.append(connection)


def helper_web(port: str) -> None:
    """Serve HTTP on a port; what is not HTTP gets a "400" with a proper status line."""

    class Handler(http.server.BaseHTTPRequestHandler):
        default_request_version = "HTTP/1.0"
        server_version, sys_version = "web/1.0", ""

    with http.server.HTTPServer(("", int(port)), Handler) as server:
        server.timeout = HELPER_LIFE
        say_ready()
        for _ in range(100):
            server.handle_request()


def say_ready() -> None:
    """Tell the process that started this helper that it is at work."""
    print("ready", flush=True)


def run_helper(name: str, arguments: list[str]) -> None:
    """Run one helper by its name."""
    match name:
        case "tune":
            helper_tune(arguments)
        case "line":
            helper_line(*arguments)
        case "warm":
            helper_warm(arguments)
        case "hold":
            helper_hold(*arguments)
        case "mute":
            helper_mute(*arguments)
        case "web":
            helper_web(*arguments)
        case _:
            raise RecordError(f"no helper {name}")


# ----------------------------------------------------------------- the network


# Runs a server with an /etc and a /run of its own: the machine's accounts and files stay out of the picture.
ROOM = 'mount --bind "$0" /etc && mount -t tmpfs none /run && mkdir /run/sshd && exec "$@"'

SSHD_CONFIG = """\
HostKey /etc/ssh/host_key
AuthorizedKeysFile /etc/ssh/authorized_keys
PidFile none
UsePAM no
UseDNS no
PasswordAuthentication no
KbdInteractiveAuthentication no
PrintMotd no
PrintLastLog no
PermitTTY no
LogLevel ERROR
"""

HAPROXY_CONFIG = """\
defaults
    mode tcp
    timeout connect 2s
    timeout client 30s
    timeout server 30s
listen ssh
    bind :22 defer-accept
    server one 203.0.113.21:22 disabled
"""

PLAN = """\
cli addr add 192.0.2.10/24 dev eth0
cli addr add 2001:db8:1::10/64 dev eth0 nodad
r1  addr add 192.0.2.1/24 dev lan
r1  addr add 2001:db8:1::1/64 dev lan nodad
r1  addr add 198.51.100.1/30 dev wan
r1  addr add 2001:db8:12::1/64 dev wan nodad
r2  addr add 198.51.100.2/30 dev wan
r2  addr add 2001:db8:12::2/64 dev wan nodad
r2  addr add 203.0.113.1/24 dev lan
r2  addr add 2001:db8:2::1/64 dev lan nodad
cli route add default via 192.0.2.1
cli route add default via 2001:db8:1::1
r1  route add 203.0.113.0/24 via 198.51.100.2
r1  route add 198.51.100.80/32 via 198.51.100.2
r1  route add 2001:db8:2::/64 via 2001:db8:12::2
r2  route add 192.0.2.0/24 via 198.51.100.1
r2  route add 2001:db8:1::/64 via 2001:db8:12::1
"""


def call(*command: str, text: str | None = None, timeout: float = 20) -> str:
    """Run a command that must succeed; return what it printed."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode:
        raise RecordError(f"{' '.join(command)}: status {done.returncode}: {done.stderr.strip()}")
    return done.stdout


class Lab:
    """The network of one sample.  As a context manager it is torn down whatever happens."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.etc = scratch / "etc"
        self.started: list[subprocess.Popen[str]] = []
        self.nodes: list[str] = []

    def __enter__(self) -> Lab:
        try:
            self.build()
        except BaseException:
            self.tear_down()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.tear_down()

    @staticmethod
    def namespace(node: str) -> str:
        """The name of a node's namespace, unlike that of any other run."""
        return f"nprec-{os.getpid()}-{node}"

    def ip(self, node: str, *arguments: str) -> str:
        """Run ``ip`` on a node."""
        return call("ip", "-n", self.namespace(node), *arguments)

    def inside(self, node: str, *command: str) -> tuple[str, ...]:
        """The command line that runs a command on a node."""
        return ("ip", "netns", "exec", self.namespace(node), *command)

    def helper(self, name: str, *arguments: str) -> tuple[str, ...]:
        """The command line of one of the helpers above."""
        return (sys.executable, "-I", str(Path(__file__).resolve()), "helper", name, *arguments)

    def start(self, node: str, *command: str, ready: str = "") -> subprocess.Popen[str]:
        """Start a command on a node and, if a word is given, wait until it prints a line with it."""
        process = subprocess.Popen(
            self.inside(node, *command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        if ready:
            wait_for_line(process, ready)
        return process

    def build(self) -> None:
        """Make the nodes, the links between them, the addresses and the routes."""
        for node in ("cli", "r1", "line", "r2"):
            self.add_node(node)
        self.ip("r2", "link", "add", "name", "lan", "type", "bridge")
        self.link("cli", "eth0", 1, "r1", "lan", 2)
        self.link("r1", "wan", 3, "line", "west", 4)
        self.link("r2", "wan", 5, "line", "east", 6)
        self.ip("r2", "link", "set", "lan", "address", mac(7), "up")
        for step in PLAN.splitlines():
            self.ip(*step.split())
        for node, names in (("cli", "eth0"), ("r1", "lan wan"), ("line", "west east"), ("r2", "wan")):
            call(*self.inside(node, *self.helper("tune", *names.split())))
        self.start("line", *self.helper("line", "west", "east"), ready="ready")
        self.add_server("srv", SERVER, 10)
        call(*self.inside("srv", "ip", "addr", "add", f"{SERVER6}/64", "dev", "eth0", "nodad"))
        call(*self.inside("srv", "ip", "route", "add", "default", "via", "2001:db8:2::1"))
        call(*self.inside("cli", *self.helper("warm", SERVER, SERVER6)))

    def add_node(self, node: str) -> None:
        """Make a namespace with its loopback up."""
        self.nodes.append(node)
        call("ip", "netns", "add", self.namespace(node))
        self.ip(node, "link", "set", "lo", "up")

    def link(self, one: str, name: str, number: int, two: str, peer: str, peer_number: int) -> None:
        """Join two nodes by a cable."""
        ends = (
            "netns",
            self.namespace(one),
            "type",
            "veth",
            "peer",
            "name",
            peer,
            "netns",
            self.namespace(two),
        )
        call("ip", "link", "add", "name", name, *ends)
        for node, interface, digit in ((one, name, number), (two, peer, peer_number)):
            self.ip(node, "link", "set", interface, "address", mac(digit), "up")

    def add_server(self, node: str, address: str, number: int) -> None:
        """Make a machine on the network behind r2."""
        self.add_node(node)
        port = f"to-{node}"
        self.link(node, "eth0", number, "r2", port, number + 32)
        self.ip("r2", "link", "set", port, "master", "lan")
        self.ip(node, "addr", "add", f"{address}/24", "dev", "eth0")
        self.ip(node, "route", "add", "default", "via", "203.0.113.1")
        call(*self.inside(node, *self.helper("tune", "eth0")))
        call(*self.inside("r2", *self.helper("tune", port)))

    def filter(self, node: str, hook: str, *rules: str) -> None:
        """Load a packet filter with these rules in one hook of a node."""
        self.nft(node, f"type filter hook {hook} priority filter; policy accept;", *rules)

    def nft(self, node: str, *lines: str) -> None:
        """Load a table with one chain."""
        text = "\n".join(("table inet sample {", "chain only {", *lines, "}", "}", ""))
        call(*self.inside(node, "nft", "-f", "-"), text=text)

    def sshd(self, *ports: int, node: str = "srv", extra: str = "") -> None:
        """Start sshd on a node and wait until it listens."""
        path = self.etc / "ssh" / f"sshd_config-{node}"
        path.write_text("".join(f"Port {port}\n" for port in ports) + extra + SSHD_CONFIG)
        self.room(node, "/usr/sbin/sshd", "-D", "-e", "-f", f"/etc/ssh/{path.name}", ports=ports)

    def room(self, node: str, *command: str, ports: tuple[int, ...]) -> None:
        """Start a server with an /etc of its own, and wait until it listens on these ports."""
        process = self.start(node, "unshare", "-m", "sh", "-c", ROOM, str(self.etc), *command)
        for _ in range(100):
            listening = call(*self.inside(node, "ss", "-Hltn"))
            if all(f":{port} " in listening for port in ports):
                return
            if process.poll() is not None:
                break
            time.sleep(0.05)
        raise RecordError(f"{command[0]} on {node} does not listen: {tail_of(process)}")

    @contextmanager
    def recording(self, path: Path) -> Iterator[None]:
        """Record the client's interface: from before the first packet until things have calmed down."""
        wanted = "tcp or icmp or (ip6 proto 58 and ip6[40] < 128)"
        options = ("--time-stamp-precision=nano", "--immediate-mode", "-U", "-B", "4096", "-s", "0", "-n")
        tcpdump = self.start(
            "cli",
            "tcpdump",
            "-i",
            "eth0",
            "-w",
            str(path),
            "-Z",
            "root",
            *options,
            wanted,
            ready="listening on",
        )
        time.sleep(0.2)
        yield
        time.sleep(0.5)
        tcpdump.send_signal(signal.SIGINT)
        summary = tcpdump.communicate(timeout=10)[0]
        if "\n0 packets dropped by kernel" not in f"\n{summary}":
            raise RecordError(f"tcpdump lost packets: {summary}")

    def ssh(self, address: str, port: int, extra: tuple[str, ...] = ()) -> tuple[int, str]:
        """Run ssh in the client's namespace as a user would; return its exit status and what it said."""
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": "8",
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "IdentitiesOnly": "yes",
            "IdentityFile": str(self.scratch / "user_key"),
        }
        command = ["ssh", "-F", "none", *(f"-o{key}={value}" for key, value in options.items())]
        command += [*(f"-o{option}" for option in extra), "-l", "sample", "-p", str(port), address, "true"]
        done = subprocess.run(
            self.inside("cli", *command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=40,
            check=False,
            env={"PATH": os.environ["PATH"], "HOME": str(self.scratch)},
        )
        return done.returncode, done.stderr.strip()

    def tear_down(self) -> None:
        """End every process started here, then remove the namespaces; a second Ctrl-C does not stop this."""
        before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            self.end_all()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def end_all(self) -> None:
        """End the processes, remove the namespaces."""
        for process in reversed(self.started):
            end_process(process)
        for node in self.nodes:
            left = subprocess.run(
                ("ip", "netns", "pids", self.namespace(node)), capture_output=True, text=True, check=False
            )
            for pid in left.stdout.split():  # children of the servers above: nobody else is in here
                kill(int(pid))
        for node in self.nodes:
            subprocess.run(("ip", "netns", "del", self.namespace(node)), capture_output=True, check=False)


def mac(number: int) -> str:
    """A hardware address from the documentation range."""
    return f"00:00:5e:00:53:{number:02x}"


def wait_for_line(process: subprocess.Popen[str], word: str, seconds: float = 10) -> None:
    """Wait until a process prints a line that contains a word."""
    assert process.stdout is not None
    stop = time.monotonic() + seconds
    while (left := stop - time.monotonic()) > 0:
        if not select.select([process.stdout], [], [], left)[0]:
            break
        line = process.stdout.readline()
        if word in line:
            return
        if not line:
            break
    raise RecordError(f"{process.args!r} never said {word!r}")


def tail_of(process: subprocess.Popen[str]) -> str:
    """End a process; return what it printed."""
    end_process(process)
    return process.stdout.read()[-500:] if process.stdout and not process.stdout.closed else ""


def end_process(process: subprocess.Popen[str]) -> None:
    """End one process, politely at first."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(timeout=3)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=3)


def kill(pid: int) -> None:
    """Kill a process that may be gone already."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def furnish(scratch: Path) -> None:
    """Write the /etc of the servers, and the keys: one user, ``sample``, who may log in."""
    etc = scratch / "etc"
    (etc / "ssh").mkdir(parents=True)
    (etc / "passwd").write_text(
        "root:x:0:0::/:/bin/sh\nsshd:x:103:65534::/run/sshd:/bin/false\nsample:x:65533:65533::/:/bin/sh\n"
    )
    (etc / "group").write_text("root:x:0:\nsample:x:65533:\nnogroup:x:65534:\n")
    (etc / "shadow").write_text("root:*:20000::::::\nsshd:*:20000::::::\nsample::20000::::::\n")
    (etc / "nsswitch.conf").write_text("passwd: files\ngroup: files\nshadow: files\nhosts: files\n")
    (etc / "hosts").write_text("127.0.0.1 localhost\n")
    (etc / "haproxy.cfg").write_text(HAPROXY_CONFIG)
    for path in (scratch / "user_key", etc / "ssh" / "host_key"):
        call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "sample", "-f", str(path))
    shutil.copy(scratch / "user_key.pub", etc / "ssh" / "authorized_keys")


# ----------------------------------------------------------------- what goes wrong, one function each


# One algorithm of each kind and an account without a password (nobody else can reach it): short lists, no
# login, and so a small recording of many sessions.
SMALL = (
    "KexAlgorithms=curve25519-sha256",
    "Ciphers=chacha20-poly1305@openssh.com",
    "MACs=hmac-sha2-256",
    "HostKeyAlgorithms=ssh-ed25519",
    "PubkeyAcceptedAlgorithms=ssh-ed25519",
)
POOL_SSHD = "\n".join((*SMALL, "PasswordAuthentication=yes", "PermitEmptyPasswords=yes", ""))


def healthy(lab: Lab) -> None:
    """Sshd on the usual port."""
    lab.sshd(22)


def other_port(lab: Lab) -> None:
    """Sshd on port 2222, nothing on 22."""
    lab.sshd(2222)


def filtered(node: str, hook: str, verdict: str, match: str = "") -> Callable[[Lab], None]:
    """Sshd on 22 and 2222, and a packet filter somewhere that treats port 22 badly."""

    def prepare(lab: Lab) -> None:
        lab.sshd(22, 2222)
        lab.filter(node, hook, f"{match} tcp dport 22 {verdict}")

    return prepare


def no_route(lab: Lab) -> None:
    """The link from r2 to the server's network is down, and the route went with it."""
    lab.sshd(22)
    lab.ip("r2", "link", "set", "lan", "down")


def routing_loop(lab: Lab) -> None:
    """Instead of its lost link, r2 uses r1 to reach the server's network; r1 still uses r2."""
    no_route(lab)
    lab.ip("r2", "route", "add", "203.0.113.0/24", "via", "198.51.100.1")


def mixed_backends(lab: Lab) -> None:
    """Three machines behind one address, in turn; no sshd on the second."""
    for number, address in enumerate(POOL, 21):
        lab.add_server(f"be{number}", address, number)
    for node in ("be21", "be23"):
        lab.sshd(22, node=node, extra=POOL_SSHD)
    choice = ", ".join(f"{index} : {address}" for index, address in enumerate(POOL))
    lab.nft(
        "r2",
        "type nat hook prerouting priority dstnat; policy accept;",
        f"ip daddr {SERVICE} tcp dport 22 dnat ip to numgen inc mod 3 map {{ {choice} }}",
    )


def accept_close(lab: Lab) -> None:
    """HAProxy whose only server is disabled.

    With ``defer-accept`` it has read the client's greeting when it closes, so that a FIN ends the connection;
    without, a race decides between FIN and RST.
    """
    lab.room("srv", "haproxy", "-db", "-f", "/etc/haproxy.cfg", ports=(22,))


def tcp_wrappers(lab: Lab) -> None:
    """The client is listed in the server's hosts.deny."""
    if "libwrap" not in call("ldd", "/usr/sbin/sshd"):
        raise RecordError("this sshd does not know hosts.deny")
    (lab.etc / "hosts.deny").write_text(f"sshd: {CLIENT}\n")
    lab.sshd(22)


def max_startups(lab: Lab) -> None:
    """A connection from elsewhere, not logged in, holds the only place."""
    lab.sshd(22, extra="MaxStartups 1:100:1\n")
    lab.start("r2", *lab.helper("hold", SERVER, "22"), ready="ready")


def no_common_kex(lab: Lab) -> None:
    """The server knows only an old key exchange method."""
    lab.sshd(22, extra="KexAlgorithms diffie-hellman-group14-sha1\n")


def with_helper(name: str) -> Callable[[Lab], None]:
    """One of the helpers listens on port 22."""

    def prepare(lab: Lab) -> None:
        lab.start("srv", *lab.helper(name, "22"), ready="ready")

    return prepare


# ----------------------------------------------------------------- the samples


@dataclass(frozen=True)
class Truth:
    """What really happened to the connection to ``server``."""

    outcome: str
    cause: str
    actor: str
    hop: int
    server: str = f"{SERVER} 22"


@dataclass(frozen=True)
class Try:
    """One run of ssh and what it must say; an empty text: it must log in."""

    says: str = ""
    port: int = 22
    address: str = SERVER
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sample:
    """One recording: its truth, how to make it, and the frames that must be in it (display filter: count)."""

    name: str
    title: str
    story: str
    truth: Truth
    prepare: Callable[[Lab], None]
    tries: tuple[Try, ...]
    shows: dict[str, int | range]


REFUSED = "Connection refused"
TIMED_OUT = "Connection timed out"
NO_ROUTE = "No route to host"
ONE_OF_POOL = Try(address=SERVICE, options=(*SMALL, "UpdateHostKeys=no"))
WORKS = Try(port=2222)
WORKS6 = Try(port=2222, address=SERVER6)

SYN = "tcp.flags.syn == 1 && tcp.flags.ack == 0 && !icmp && !icmpv6"
SYN_22 = f"{SYN} && tcp.dstport == 22"
ACCEPTED = "tcp.flags.syn == 1 && tcp.flags.ack == 1 && {} == 62 && tcp.srcport == {}"
RESET_TO_SYN = "tcp.flags.reset == 1 && tcp.seq_raw == 0 && tcp.window_size_value == 0 && tcp.srcport == {}"


def icmp_error(kind: int, code: int, sender: str, *, ttl: int, quoted_ttl: int) -> str:
    """Selects an ICMP error by what it says, who sent it, its TTL and the TTL of the packet in it."""
    head = f"icmp.type == {kind} && icmp.code == {code} && ip.src#1 == {sender}"
    return f"{head} && ip.ttl#1 == {ttl} && ip.ttl#2 == {quoted_ttl}"


def closed(port: int) -> dict[str, int | range]:
    """The frames of a connection that both sides closed."""
    return {
        f"tcp.flags.fin == 1 && tcp.srcport == {port}": 1,
        f"tcp.flags.fin == 1 && tcp.dstport == {port}": 1,
        f"tcp.flags.reset == 1 && tcp.port == {port}": 0,
    }


def logged_in(port: int, ttl: str = "ip.ttl") -> dict[str, int | range]:
    """The frames of a session that ended well, with a server two routers away."""
    return {
        ACCEPTED.format(ttl, port): 1,
        f"ssh.message_code == 21 && tcp.dstport == {port}": 1,
        **closed(port),
    }


SAMPLES = (
    Sample(
        name="healthy-ssh",
        title="ssh logged in, ran a command and ended normally.",
        story="Nothing was wrong: sshd listened on port 22 of the server and knew the user's key. The "
        "user ran one command and the connection was closed by both sides.",
        truth=Truth("closed-normally", "healthy.ssh", "server-host", 3),
        prepare=healthy,
        tries=(Try(),),
        shows=logged_in(22),
    ),
    Sample(
        name="closed-port",
        title="ssh said 'Connection refused' at once, while another port of the same machine worked.",
        story="No program listened on port 22 of the server, so its kernel answered the SYN with a RST. "
        "No packet filter was involved. Sshd ran on port 2222 of the same machine and was used "
        "right afterwards.",
        truth=Truth("refused-rst", "reset.target.closed-port", "server-host", 3),
        prepare=other_port,
        tries=(Try(REFUSED), WORKS),
        shows={
            SYN_22: 1,
            f"{RESET_TO_SYN.format(22)} && ip.ttl == 62 && ip.dsfield == 0x10": 1,
            **logged_in(2222),
        },
    ),
    Sample(
        name="forged-reset",
        title="ssh said 'Connection refused' at once, though sshd was running on that port.",
        story="A rule in the FORWARD chain of the first router rejected port 22 with a TCP reset in the "
        "server's name. The server, two hops further on, ran sshd on ports 22 and 2222 and never "
        "saw the SYN to port 22. Port 2222 passed the router and worked.",
        truth=Truth("refused-rst", "reset.network.firewall", "firewall", 1),
        prepare=filtered("r1", "forward", "reject with tcp reset"),
        tries=(Try(REFUSED), WORKS),
        shows={
            SYN_22: 1,
            f"{RESET_TO_SYN.format(22)} && ip.ttl == 64 && ip.dsfield == 0": 1,
            **logged_in(2222),
        },
    ),
    Sample(
        name="forged-reset-v6",
        title="ssh to an IPv6 address said 'Connection refused' at once, though sshd was running there.",
        story="A rule in the FORWARD chain of the first router rejected port 22 with a TCP reset in the "
        "server's name. The server, two hops further on, ran sshd on ports 22 and 2222 and never "
        "saw the SYN to port 22. Port 2222 passed the router and worked. All of it over IPv6.",
        truth=Truth("refused-rst", "reset.network.firewall", "firewall", 1, f"{SERVER6} 22"),
        prepare=filtered("r1", "forward", "reject with tcp reset"),
        tries=(Try(REFUSED, address=SERVER6), WORKS6),
        shows={
            SYN_22: 1,
            f"{RESET_TO_SYN.format(22)} && ipv6.hlim == 64 && ipv6.flow == 0 && ipv6.tclass == 0": 1,
            **logged_in(2222, "ipv6.hlim"),
        },
    ),
    Sample(
        name="host-reject",
        title="ssh said 'Connection refused' at once, though sshd was running on that port.",
        story="The server's own packet filter (INPUT) rejected port 22 with a TCP reset. Sshd listened "
        "on ports 22 and 2222 of that machine, and port 2222, which the filter left alone, worked.",
        truth=Truth("refused-rst", "reset.target.filter", "server-host", 3),
        prepare=filtered("srv", "input", "reject with tcp reset"),
        tries=(Try(REFUSED), WORKS),
        shows={
            SYN_22: 1,
            f"{RESET_TO_SYN.format(22)} && ip.ttl == 62 && ip.dsfield == 0": 1,
            **logged_in(2222),
        },
    ),
    Sample(
        name="port-unreachable",
        title="ssh said 'Connection refused' at once, on the SSH port and on an unused one.",
        story="The server's own packet filter rejected port 22 for this client's address with ICMP "
        "port-unreachable, as fail2ban does when it has banned somebody; sshd itself was running. "
        "Port 2323 of the same machine, where nothing listens and no rule applies, was tried next "
        "and gave a RST.",
        truth=Truth("icmp-unreachable", "unreachable.target.filter.port-unreachable", "server-host", 3),
        prepare=filtered("srv", "input", "reject with icmp port-unreachable", f"ip saddr {CLIENT}"),
        tries=(Try(REFUSED), Try(REFUSED, 2323)),
        shows={
            SYN_22: 1,
            icmp_error(3, 3, SERVER, ttl=62, quoted_ttl=62): 1,
            f"{RESET_TO_SYN.format(2323)} && ip.ttl == 62 && ip.dsfield == 0x10": 1,
        },
    ),
    Sample(
        name="admin-prohibited",
        title="ssh said 'No route to host' at once, though the route was fine.",
        story="A rule in the FORWARD chain of the second router rejected port 22 with ICMP "
        "admin-prohibited, from its own address 198.51.100.2. Sshd was running on the server "
        "behind it.",
        truth=Truth("icmp-unreachable", "unreachable.network.firewall.admin-prohibited", "firewall", 2),
        prepare=filtered("r2", "forward", "reject with icmp admin-prohibited"),
        tries=(Try(NO_ROUTE),),
        shows={
            SYN_22: 1,
            icmp_error(3, 13, ROUTER2, ttl=63, quoted_ttl=62): 1,
        },
    ),
    Sample(
        name="admin-prohibited-v6",
        title="ssh to an IPv6 address said 'Permission denied' before it had even connected.",
        story="A rule in the FORWARD chain of the second router rejected port 22 with ICMPv6 "
        "admin-prohibited, from its own address 2001:db8:12::2. Sshd was running on the server "
        "behind it.",
        truth=Truth(
            "icmp-unreachable",
            "unreachable.network.firewall.admin-prohibited",
            "firewall",
            2,
            f"{SERVER6} 22",
        ),
        prepare=filtered("r2", "forward", "reject with icmpv6 admin-prohibited"),
        tries=(Try("Permission denied", address=SERVER6),),
        shows={
            SYN_22: 1,
            "icmpv6.type == 1 && icmpv6.code == 1 && ipv6.src#1 == 2001:db8:12::2 && ipv6.hlim#1 == 63": 1,
        },
    ),
    Sample(
        name="no-route",
        title="ssh said 'Network is unreachable' at once.",
        story="The second router had lost its link to the server's network and the route with it, and "
        "had no default route. It answered the SYN with ICMP net-unreachable from its own address "
        "198.51.100.2.",
        truth=Truth("icmp-unreachable", "unreachable.network.router.net-unreachable", "router", 2),
        prepare=no_route,
        tries=(Try("Network is unreachable"),),
        shows={
            SYN_22: 1,
            icmp_error(3, 0, ROUTER2, ttl=63, quoted_ttl=63): 1,
        },
    ),
    Sample(
        name="dead-host",
        title="ssh said 'No route to host' after about three seconds.",
        story="No machine has the address 203.0.113.99. The second router, which is connected to that "
        "network, asked for it by ARP for about three seconds and then answered the waiting SYNs "
        "with ICMP host-unreachable.",
        truth=Truth(
            "icmp-unreachable",
            "unreachable.network.router.host-unreachable",
            "router",
            2,
            server=f"{NOBODY} 22",
        ),
        prepare=healthy,
        tries=(Try(NO_ROUTE, address=NOBODY),),
        shows={
            SYN_22: range(3, 5),
            icmp_error(3, 1, ROUTER2, ttl=63, quoted_ttl=62): range(1, 5),
            "icmp && frame.time_relative < 2.9": 0,
        },
    ),
    Sample(
        name="routing-loop",
        title="ssh said 'No route to host' within a second.",
        story="The two routers pointed the server's network at each other: the second one had lost its "
        "link to it and sent the packets back to the first. The SYN went to and fro until its TTL "
        "was used up, and the second router reported that with ICMP time-exceeded.",
        truth=Truth("icmp-ttl-exceeded", "unreachable.network.router.ttl-exceeded", "router", 2),
        prepare=routing_loop,
        tries=(Try(NO_ROUTE),),
        shows={
            SYN_22: 1,
            icmp_error(11, 0, ROUTER2, ttl=63, quoted_ttl=1): 1,
        },
    ),
    Sample(
        name="silent-drop",
        title="ssh said 'Connection timed out', while another port of the same machine worked.",
        story="A rule in the FORWARD chain of the second router dropped everything to port 22 without a "
        "word. Sshd ran on ports 22 and 2222 of the server behind it; port 2222 passed and worked.",
        truth=Truth("silent", "silence.network.firewall.drop", "firewall", 2),
        prepare=filtered("r2", "forward", "drop"),
        tries=(Try(TIMED_OUT), WORKS),
        shows={SYN_22: range(4, 9), "tcp.srcport == 22": 0, "icmp": 0, **logged_in(2222)},
    ),
    Sample(
        name="silent-drop-v6",
        title="ssh to an IPv6 address said 'Connection timed out', while another port of it worked.",
        story="A rule in the FORWARD chain of the second router dropped everything to port 22 without a "
        "word. Sshd ran on ports 22 and 2222 of the server behind it; port 2222 passed and worked. "
        "All of it over IPv6.",
        truth=Truth("silent", "silence.network.firewall.drop", "firewall", 2, f"{SERVER6} 22"),
        prepare=filtered("r2", "forward", "drop"),
        tries=(Try(TIMED_OUT, address=SERVER6), WORKS6),
        shows={SYN_22: range(4, 9), "tcp.srcport == 22": 0, "icmpv6": 0, **logged_in(2222, "ipv6.hlim")},
    ),
    Sample(
        name="mixed-backends",
        title="ssh to one address worked or said 'Connection refused', every third time.",
        story="The second router translates 198.51.100.80 port 22 to three machines on the network "
        "behind it, in turn. Nothing listened on port 22 of the second machine, 203.0.113.22, "
        "whose kernel answered with a RST; the other two ran sshd. The user tried nine times. Both "
        "ends were limited to one algorithm of each kind and no login key, to keep the recording "
        "small.",
        truth=Truth("refused-rst", "reset.backend.closed-port", "backend", 3, f"{SERVICE} 22"),
        prepare=mixed_backends,
        tries=(ONE_OF_POOL, Try(REFUSED, address=SERVICE), ONE_OF_POOL) * 3,
        shows={
            SYN_22: 9,
            f"{RESET_TO_SYN.format(22)} && ip.ttl == 62 && ip.dsfield == 0x10": 3,
            ACCEPTED.format("ip.ttl", 22): 6,
            "tcp.flags.fin == 1": 12,
        },
    ),
    Sample(
        name="accept-close",
        title="ssh connected and said 'Connection closed by remote host' at once, without a greeting.",
        story="HAProxy listened on port 22 of the server in TCP mode, and its only backend was disabled. "
        "It took the client's greeting (option defer-accept) and closed the connection without "
        "sending a byte.",
        truth=Truth("closed-normally", "closed.target.proxy.no-backend", "load-balancer", 3),
        prepare=accept_close,
        tries=(Try("kex_exchange_identification: Connection closed by remote host"),),
        shows={
            ACCEPTED.format("ip.ttl", 22): 1,
            "tcp.srcport == 22 && tcp.len > 0": 0,
            "frame.time_relative > 0.1": 0,
            **closed(22),
        },
    ),
    Sample(
        name="tcp-wrappers",
        title="ssh connected, waited five seconds for a greeting and was disconnected.",
        story="The client's address was listed in the server's /etc/hosts.deny, which this sshd (linked "
        "with libwrap) obeys: it accepted the connection, waited 5 seconds and closed it without a "
        "byte.",
        truth=Truth("reset-by-server", "closed.target.sshd.tcp-wrappers", "server-host", 3),
        prepare=tcp_wrappers,
        tries=(Try("kex_exchange_identification: read: Connection reset by peer"),),
        shows={
            ACCEPTED.format("ip.ttl", 22): 1,
            "tcp.srcport == 22 && tcp.len > 0": 0,
            "tcp.srcport == 22 && tcp.flags.reset == 1": 1,
            "tcp.flags.reset == 1 && frame.time_relative > 4.9 && frame.time_relative < 5.3": 1,
        },
    ),
    Sample(
        name="max-startups",
        title="ssh connected and was disconnected at once, before any SSH greeting.",
        story="Sshd was set to allow one connection that has not logged in yet (MaxStartups 1:100:1), "
        "and another machine held that place. Sshd sent the line 'Exceeded MaxStartups' and closed "
        "the connection without having read the client's greeting, hence the RST.",
        truth=Truth("reset-by-server", "closed.target.sshd.max-startups", "server-host", 3),
        prepare=max_startups,
        tries=(Try("kex_exchange_identification"),),
        shows={
            ACCEPTED.format("ip.ttl", 22): 1,
            'tcp.srcport == 22 && frame contains "Exceeded MaxStartups\\r\\n"': 1,
            "tcp.srcport == 22 && tcp.flags.reset == 1": range(1, 4),
            "tcp.dstport == 22 && tcp.flags.reset == 1": 0,
            "frame.time_relative > 0.1": 0,
        },
    ),
    Sample(
        name="no-common-kex",
        title="ssh said 'Unable to negotiate ... no matching key exchange method found'.",
        story="Sshd was set to offer diffie-hellman-group14-sha1 as its only key exchange method, like "
        "an old device. A current ssh client does not use that method any more, so the client "
        "closed the connection after the two lists had been exchanged.",
        truth=Truth("closed-normally", "closed.target.sshd.no-common-algorithm", "server-host", 3),
        prepare=no_common_kex,
        tries=(Try("no matching key exchange method found"),),
        shows={
            ACCEPTED.format("ip.ttl", 22): 1,
            'frame contains "diffie-hellman-group14-sha1"': 1,
            "ssh.message_code == 20": 2,
            "ssh.message_code > 20": 0,
            **closed(22),
        },
    ),
    Sample(
        name="web-server-on-22",
        title="ssh connected and was disconnected; the answer was not an SSH greeting.",
        story="A web server listened on port 22 of the server. It took the client's SSH version line for "
        "a bad HTTP request, answered '400' with an error page and closed the connection.",
        truth=Truth("closed-normally", "wrong-service.target.http", "server-host", 3),
        prepare=with_helper("web"),
        tries=(Try("kex_exchange_identification"),),
        shows={
            ACCEPTED.format("ip.ttl", 22): 1,
            'tcp.srcport == 22 && tcp.payload contains "HTTP/1.0 400"': 1,
            **closed(22),
        },
    ),
    Sample(
        name="silent-service",
        title="ssh connected, then said 'Connection timed out during banner exchange' after eight seconds.",
        story="A program listened on port 22 of the server, accepted the connection and never read or "
        "wrote anything. The client gave up after eight seconds and closed its side.",
        truth=Truth("half-closed-by-client", "mute.target.service.not-ssh", "server-host", 3),
        prepare=with_helper("mute"),
        tries=(Try("Connection timed out during banner exchange"),),
        shows={
            ACCEPTED.format("ip.ttl", 22): 1,
            "tcp.srcport == 22 && (tcp.len > 0 || tcp.flags.fin == 1 || tcp.flags.reset == 1)": 0,
            "tcp.dstport == 22 && tcp.flags.fin == 1 && frame.time_relative > 7.5": 1,
        },
    ),
    Sample(
        name="ssh-on-2222",
        title="SSH on another port: ssh -p 2222 logged in, ran a command and ended normally.",
        story="Nothing was wrong: sshd of this server listens on port 2222 only, not on 22, and the user "
        "asked for that port.",
        truth=Truth("closed-normally", "healthy.ssh", "server-host", 3, f"{SERVER} 2222"),
        prepare=other_port,
        tries=(WORKS,),
        shows=logged_in(2222),
    ),
)


# ----------------------------------------------------------------- recording and checking


def record(sample: Sample, out: Path) -> str:
    """Record one sample into a directory, with a few attempts; return a line about it."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return record_once(sample, out)
        except (RecordError, subprocess.TimeoutExpired) as error:
            print(f"{sample.name}: attempt {attempt}: {error}", file=sys.stderr, flush=True)
    raise RecordError(f"{sample.name}: given up")


def record_once(sample: Sample, out: Path) -> str:
    """Build the network, record, check, and keep the file if it shows what it should."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="nprec-") as name:
        scratch = Path(name)
        path = scratch / f"{sample.name}.pcap"
        furnish(scratch)
        with Lab(scratch) as lab:
            sample.prepare(lab)
            with lab.recording(path):
                for one in sample.tries:
                    check_try(one, *lab.ssh(one.address, one.port, one.options))
                    time.sleep(0.1)
        frames = check_file(path)
        check_frames(path, sample.shows)
        shutil.copyfile(path, out / path.name)
    size = (out / path.name).stat().st_size
    return f"{sample.name}: {frames} frames, {size} bytes, {time.monotonic() - began:.1f} s"


def check_try(one: Try, status: int, said: str) -> None:
    """Complain if ssh did not end as it should."""
    fine = one.says in said and status == 255 if one.says else status == 0
    if not fine:
        raise RecordError(f"ssh to {one.address} port {one.port}: status {status}: {said}")


def check_file(path: Path) -> int:
    """Check the container: nanosecond pcap, small, whole frames, time never going back; return the frames."""
    data = path.read_bytes()
    if data[:4] != struct.pack("<I", 0xA1B23C4D):
        raise RecordError("not a little-endian nanosecond pcap file")
    if len(data) > SIZE_LIMIT:
        raise RecordError(f"{len(data)} bytes are too many")
    offset, last, frames = 24, 0, 0
    while offset < len(data):
        seconds, fraction, captured, length = struct.unpack_from("<IIII", data, offset)
        stamp = seconds * 1_000_000_000 + fraction
        if captured != length or length > 1514 or stamp < last:
            raise RecordError(f"frame {frames + 1}: cut, too long, or earlier than the one before")
        offset, last, frames = offset + 16 + captured, stamp, frames + 1
    return frames


def check_frames(path: Path, shows: dict[str, int | range]) -> None:
    """Check the frames with tshark: sound checksums, and as many of each kind as promised."""
    unsound = (
        'tcp.checksum.status != "Good" || ip.checksum.status != "Good" || icmp.checksum.status != "Good"'
        ' || ip.checksum.status == "Bad" || icmpv6.checksum.status == "Bad" || _ws.malformed'
    )
    for wanted, count in {unsound: 0, **shows}.items():
        found = count_frames(path, wanted)
        if found not in (count if isinstance(count, range) else (count,)):
            raise RecordError(f"{found} frames instead of {count}: {wanted}")


def count_frames(path: Path, wanted: str) -> int:
    """How many frames a display filter selects."""
    options = ("-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-d", "tcp.port==2222,ssh")
    return len(call("tshark", "-n", "-r", str(path), *options, "-Y", wanted, timeout=60).splitlines())


def describe(sample: Sample) -> str:
    """A sample's table in samples.toml."""
    truth = sample.truth
    lines = [f"[{sample.name}]", f'file = "{sample.name}.pcap"']
    lines += [f"title = {json.dumps(sample.title)}", f"story = {json.dumps(sample.story)}", ""]
    lines += [f"[{sample.name}.truth]"]
    lines += [f"outcome = {json.dumps(truth.outcome)}", f"cause = {json.dumps(truth.cause)}"]
    lines += [
        f"actor = {json.dumps(truth.actor)}",
        f"hop = {truth.hop}",
        f"server = {json.dumps(truth.server)}",
    ]
    return "\n".join(lines) + "\n"


def write_truth(out: Path) -> None:
    """Write samples.toml about the recordings that are there."""
    head = "# What each recording shows and what really happened. Written by tests/record_samples.py.\n"
    there = [describe(sample) for sample in SAMPLES if (out / f"{sample.name}.pcap").exists()]
    (out / "samples.toml").write_text("\n".join((head, *there)))


def stop_politely(_number: int, _frame: FrameType | None) -> None:
    """Turn SIGTERM into an exception, so that everything is torn down."""
    raise KeyboardInterrupt


def main(arguments: list[str]) -> int:
    """Record what was asked for; return the exit status."""
    if arguments[:1] == ["helper"]:
        run_helper(arguments[1], arguments[2:])
        return 0
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    names = [sample.name for sample in SAMPLES]
    parser.add_argument("--out", type=Path, default=OUT, help="directory for the recordings (%(default)s)")
    parser.add_argument("--only", metavar="NAME", choices=names, help="record this one")
    options = parser.parse_args(arguments)
    if os.geteuid():
        parser.error("needs root, for namespaces and packet filters")
    signal.signal(signal.SIGTERM, stop_politely)
    options.out.mkdir(parents=True, exist_ok=True)
    failed = 0
    for sample in SAMPLES:
        if options.only in (None, sample.name):
            try:
                print(record(sample, options.out), flush=True)
            except RecordError as error:
                print(error, file=sys.stderr)
                failed += 1
    write_truth(options.out)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit("interrupted; everything was torn down")
