"""What a machine must have before a lab is begun, and the package that has it."""

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec

from netprobe.lab.errors import Unavailable, Unsuited
from netprobe.lab.processes import PATH
from netprobe.lab.scenario import Scenario

_PACKAGES = {"ip": "iproute2", "nft": "nftables", "sshd": "openssh-server", "ssh-keygen": "openssh-client"}


def check(scenario: Scenario) -> None:
    """Unavailable, with one line that says what to do, if this machine cannot build the scenario."""
    check_root()
    if find_spec("pyroute2") is None:
        raise Unavailable("the lab needs pyroute2: pip install pyroute2")
    tools = ["ip"]
    for does in scenario.nodes.values():
        tools += ["nft"] * bool(does.filter or does.nat or does.raw)
        tools += ["haproxy"] * bool(does.haproxy)
        tools += ["sshd", "ssh-keygen"] * (does.sshd is not None)
    for tool in tools:
        if shutil.which(tool, path=PATH) is None:
            package = _PACKAGES.get(tool, tool)
            raise Unavailable(f"{scenario.name} needs {tool}, which is not installed: apt-get install {package}")
    for need in scenario.requires:
        _require(scenario.name, need)


def check_root() -> None:
    """Unavailable if this is not Linux, or the user not root."""
    if not sys.platform.startswith("linux"):
        raise Unavailable("the lab needs Linux: it is made of network namespaces")
    if os.geteuid():
        raise Unavailable("the lab needs root: it makes network namespaces (run it with sudo)")


def _require(name: str, need: str) -> None:
    sshd = shutil.which("sshd", path=PATH)
    if need == "libwrap":
        linked = sshd and subprocess.run(["ldd", sshd], capture_output=True, text=True).stdout
        if not linked or "libwrap" not in linked:
            raise Unsuited(f"{name} needs an sshd that knows hosts.deny (linked with libwrap); this one does not")
    elif match := re.fullmatch(r"sshd (>=|<) (\d+)\.(\d+)", need):
        said = sshd and subprocess.run([sshd, "-V"], capture_output=True, text=True).stderr
        found = re.search(r"OpenSSH_(\d+)\.(\d+)", said or "")
        have = (int(found[1]), int(found[2])) if found else (0, 0)
        if (have >= (int(match[2]), int(match[3]))) != (match[1] == ">="):
            word = "or later" if match[1] == ">=" else "excluded, or earlier"
            raise Unsuited(f"{name} needs OpenSSH {match[2]}.{match[3]} {word}; this one is {have[0]}.{have[1]}")
    else:
        raise ValueError(f"{name}: unknown requirement {need}")
