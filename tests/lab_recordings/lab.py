"""The network of one sample, and what runs in it."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

CLIENT = "192.0.2.10"
CLIENT2 = "192.0.2.11"  # the client's second address
ROUTER1 = "192.0.2.1"
ROUTER2 = "198.51.100.2"
SERVER = "203.0.113.10"
SERVER6 = "2001:db8:2::10"
NOBODY = "203.0.113.99"  # on the server's network, used by no machine
SERVICE = "198.51.100.80"  # an address that r2 forwards to machines on the server's network
POOL = ("203.0.113.21", "203.0.113.22", "203.0.113.23")

ROOT = Path(__file__).resolve().parents[2]


class RecordError(Exception):
    """Something did not work, or the packets do not show what the sample claims."""


# Runs a server with an /etc and a /run of its own: the machine's accounts and files stay out of the picture.
ROOM = 'mount --bind "$0" /etc && mount -t tmpfs none /run && mkdir /run/sshd && exec "$@"'

SSHD_CONFIG = """\
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
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=timeout, check=False, cwd=ROOT)
    if done.returncode:
        raise RecordError(f"{' '.join(command)}: status {done.returncode}: {done.stderr.strip()}")
    return done.stdout


class Lab:
    """The network of one sample.  As a context manager it is torn down whatever happens."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.etc = scratch / "etc"
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(scratch)}
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
        """The command line of one of the ``helpers``."""
        return (sys.executable, "-m", "tests.lab_recordings.helpers", name, *arguments)

    def start(self, node: str, *command: str, ready: str = "") -> subprocess.Popen[str]:
        """Start a command on a node and, if a word is given, wait until it prints a line with it."""
        process = subprocess.Popen(
            self.inside(node, *command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            cwd=ROOT,
            env=self.environment,
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

    def nft(self, node: str, *lines: str, chain: str = "only") -> None:
        """Add a chain with these lines to the node's table."""
        text = "\n".join(("table inet sample {", f"chain {chain} {{", *lines, "}", "}", ""))
        call(*self.inside(node, "nft", "-f", "-"), text=text)

    def unfilter(self, node: str) -> None:
        """Remove every rule of a node."""
        call(*self.inside(node, "nft", "flush", "ruleset"))

    def sysctl(self, node: str, *settings: str) -> None:
        """Set switches of a node's kernel, each as ``name=value``."""
        for setting in settings:
            name, _, value = setting.partition("=")
            call(*self.inside(node, "sh", "-c", f"echo {value} > /proc/sys/{name.replace('.', '/')}"))

    def forward(self, *targets: str) -> None:
        """Let r2 forward port 22 of SERVICE to these addresses, in turn."""
        choice = ", ".join(f"{index} : {address}" for index, address in enumerate(targets))
        self.nft(
            "r2",
            "type nat hook prerouting priority dstnat; policy accept;",
            f"ip daddr {SERVICE} tcp dport 22 dnat ip to numgen inc mod {len(targets)} map {{ {choice} }}",
        )

    def haproxy(self, *lines: str) -> None:
        """Start HAProxy on the server with these lines about its service."""
        (self.etc / "haproxy.cfg").write_text(HAPROXY_CONFIG + "".join(f"    {line}\n" for line in lines))
        self.room("srv", "haproxy", "-db", "-f", "/etc/haproxy.cfg", ports=(22,))

    def host_key(self, name: str) -> str:
        """Make a host key; return the line of sshd's configuration that names it."""
        make_key(self.etc / "ssh" / name)
        return f"HostKey /etc/ssh/{name}\n"

    def sshd(
        self, *ports: int, node: str = "srv", extra: str = "", key: str = "HostKey /etc/ssh/host_key\n"
    ) -> subprocess.Popen[str]:
        """Start sshd on a node and wait until it listens."""
        path = self.etc / "ssh" / f"sshd_config-{node}"
        path.write_text("".join(f"Port {port}\n" for port in ports) + key + extra + SSHD_CONFIG)
        return self.room(node, "/usr/sbin/sshd", "-D", "-e", "-f", f"/etc/ssh/{path.name}", ports=ports)

    def room(self, node: str, *command: str, ports: tuple[int, ...]) -> subprocess.Popen[str]:
        """Start a server with an /etc of its own, and wait until it listens on these ports."""
        process = self.start(node, "unshare", "-m", "sh", "-c", ROOM, str(self.etc), *command)
        for _ in range(100):
            listening = call(*self.inside(node, "ss", "-Hltn"))
            if all(f":{port} " in listening for port in ports):
                return process
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

    def ssh_command(self, address: str, port: int, *extra: str, remote: str = "true") -> tuple[str, ...]:
        """The command line of ssh as a user would run it; of an option given twice ssh takes the first."""
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": "8",
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "IdentitiesOnly": "yes",
            "IdentityFile": str(self.scratch / "user_key"),
        }
        given = (f"-o{option}" for option in (*extra, *(f"{key}={value}" for key, value in options.items())))
        return ("ssh", "-F", "none", *given, "-l", "sample", "-p", str(port), address, remote)

    def ssh(self, address: str, port: int = 22, extra: tuple[str, ...] = ()) -> tuple[int, str]:
        """Run ssh in the client's namespace; return its exit status and what it said."""
        done = subprocess.run(
            self.inside("cli", *self.ssh_command(address, port, *extra)),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=40,
            check=False,
            env=self.environment,
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
    for path in (scratch / "user_key", etc / "ssh" / "host_key"):
        make_key(path)
    shutil.copy(scratch / "user_key.pub", etc / "ssh" / "authorized_keys")


def make_key(path: Path) -> None:
    """Make a key pair."""
    call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "sample", "-f", str(path))
