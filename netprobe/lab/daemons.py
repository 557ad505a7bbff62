"""What runs on a node: sshd and HAProxy in an /etc and a /run of their own, and the lab's own programs."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from netprobe.lab.errors import BuildFailed
from netprobe.lab.processes import await_ready, finish, inside, listening, program, start
from netprobe.lab.scenario import Node

# `ip netns exec` gives a mount namespace of its own: what is mounted here is seen by this daemon only.
_ROOM = 'mount --bind "$0" /etc && mount -t tmpfs none /run && mkdir /run/sshd && exec "$@"'

_SSHD = """\
HostKey /etc/ssh/host_key
AuthorizedKeysFile none
PidFile none
UsePAM no
UseDNS no
PasswordAuthentication no
KbdInteractiveAuthentication no
LogLevel VERBOSE
"""

_HAPROXY = """\
defaults
    mode tcp
    timeout connect 2s
    timeout client 30s
    timeout server 30s
"""

_ETC = {
    "passwd": "root:x:0:0::/:/bin/sh\nsshd:x:103:65534::/run/sshd:/bin/false\n",
    "group": "root:x:0:\nnogroup:x:65534:\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    "hosts": "127.0.0.1 localhost\n",
}


def run_daemons(namespace: str, does: Node, folder: Path) -> list[subprocess.Popen[str]]:
    """Start what runs on a node and wait until it is at work."""
    started = []
    if does.sshd is not None or does.haproxy:
        etc = _furnish(folder, does)
        if does.sshd is not None:
            (etc / "ssh" / "sshd_config").write_text(f"{does.sshd}\n{_SSHD}")
            started.append(_daemon(namespace, etc, ["/usr/sbin/sshd", "-D", "-e"], folder / "sshd.log"))
        if does.haproxy:
            (etc / "haproxy.cfg").write_text(f"{_HAPROXY}{does.haproxy}\n")
            started.append(
                _daemon(namespace, etc, ["haproxy", "-db", "-f", "/etc/haproxy.cfg"], folder / "haproxy.log")
            )
        for name in does.vanishing:
            (etc / name).unlink()
    return started


def run_programs(namespace: str, does: Node) -> list[subprocess.Popen[str]]:
    """Start the lab's own programs on a node, one after the other, each when the one before is at work."""
    started = [_started(namespace, "services", words) for words in does.programs]
    if does.wire:
        started.append(_started(namespace, "wire", does.wire))
    return started


def _started(namespace: str, name: str, words: str) -> subprocess.Popen[str]:
    return await_ready(start(inside(namespace, program(name, *words.split())), ready=True))


def load_rules(namespace: str, does: Node) -> None:
    """Load the node's packet filter and address translation."""
    chains = [
        *(_chain("filter", hook, "raw", rules) for hook, rules in does.raw.items()),
        *(_chain("nat", hook, _NAT[hook], rules) for hook, rules in does.nat.items()),
        *(_chain("filter", hook, "filter", rules) for hook, rules in does.filter.items()),
    ]
    if chains:
        finish(inside(namespace, ["nft", "-f", "-"]), "table inet lab {\n" + "".join(chains) + "}\n")


_NAT = {"prerouting": "dstnat", "postrouting": "srcnat"}


def _chain(kind: str, hook: str, priority: str, rules: str) -> str:
    return f"chain {hook}_{priority} {{\ntype {kind} hook {hook} priority {priority}; policy accept;\n{rules}\n}}\n"


def _furnish(folder: Path, does: Node) -> Path:
    """Write the private /etc of a node, with a host key of its own."""
    etc = folder / "etc"
    (etc / "ssh").mkdir(parents=True)
    for name, text in {**_ETC, **does.etc}.items():
        (etc / name).write_text(f"{text.rstrip()}\n")
    if does.sshd is not None:
        key = str(etc / "ssh" / "host_key")
        finish(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "netprobe-lab", "-f", key])
    return etc


def _daemon(namespace: str, etc: Path, argv: Sequence[str], log: Path) -> subprocess.Popen[str]:
    with log.open("w") as file:
        process = start(inside(namespace, ["sh", "-c", _ROOM, str(etc), *argv]), log=file)
    if not listening(process, namespace):
        said = log.read_text().strip().splitlines() or ["it said nothing"]
        raise BuildFailed(f"{Path(argv[0]).name} does not listen: {said[-1]}")
    return process
