"""What a sample is, and words for the frames that it must show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.lab_recordings.lab import SERVER, SERVER6, Lab, call


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


# What is done while the recording runs: the user's tries, and other things that happen to the lab.
Step = Try | Callable[[Lab], None]


@dataclass(frozen=True)
class Sample:
    """One recording: its truth, how to make it, and the frames that must be in it (display filter: count)."""

    name: str
    title: str
    story: str
    truth: Truth
    prepare: Callable[[Lab], None]
    steps: tuple[Step, ...]
    shows: dict[str, int | range]
    needs: str = ""  # a program that not every machine has


REFUSED = "Connection refused"
TIMED_OUT = "Connection timed out"
NO_ROUTE = "No route to host"
CLOSED_23 = Try(REFUSED, 23)
WORKS = Try(port=2222)
WORKS6 = Try(port=2222, address=SERVER6)

SYN = "tcp.flags.syn == 1 && tcp.flags.ack == 0 && !icmp && !icmpv6"
SYN_22 = f"{SYN} && tcp.dstport == 22"
ACCEPTED = "tcp.flags.syn == 1 && tcp.flags.ack == 1 && {} == 62 && tcp.srcport == {}"
SYNACK_22 = "tcp.flags.syn == 1 && tcp.flags.ack == 1 && tcp.srcport == 22"
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


# One algorithm of each kind and an account without a password (nobody else can reach it): short lists, no
# login, and so a small recording of many sessions.
SMALL = (
    "KexAlgorithms=curve25519-sha256",
    "Ciphers=chacha20-poly1305@openssh.com",
    "MACs=hmac-sha2-256",
    "HostKeyAlgorithms=ssh-ed25519",
    "PubkeyAcceptedAlgorithms=ssh-ed25519",
)
SMALL_CLIENT = (*SMALL, "UpdateHostKeys=no")
SMALL_SSHD = "\n".join((*SMALL, "PasswordAuthentication=yes", "PermitEmptyPasswords=yes", ""))


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


def with_helper(name: str) -> Callable[[Lab], None]:
    """One of the helpers listens on port 22."""

    def prepare(lab: Lab) -> None:
        lab.start("srv", *lab.helper(name, "22"), ready="ready")

    return prepare


def run(name: str, *arguments: str) -> Callable[[Lab], None]:
    """A step: one of the helpers runs on the client."""

    def step(lab: Lab) -> None:
        call(*lab.inside("cli", *lab.helper(name, *arguments)))

    return step
