"""Replay against its peers: CPU seconds of whole processes, in turn, as ratios; peak memory; counts against the truth.

    python tests/bench/replay.py ../shared/bench/make_captures.py /tmp/bench [--runs 5]

Makes the captures if they are not there (about 1.4 GB), then runs netprobe and each peer that is installed in turn.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

PROFILES = {"bulk": ("bulk", "1"), "mixed": ("mixed", "1"), "small01": ("small", "0.1"), "tiny": ("bulk", "0.0004")}
PEERS = {
    "tshark": ["tshark", "-q", "-z", "conv,tcp", "-r"],
    "tcptrace": ["tcptrace", "-n"],
    "tcpdump": ["tcpdump", "-w", "/dev/null", "tcp[tcpflags] & (tcp-syn|tcp-rst|tcp-fin) != 0 or icmp or icmp6", "-r"],
}
# What the generator's classes must end as. (A client that leaves after SYN-ACK is half-open, then reset by the client.)
OUTCOMES = {
    "open-data": "closed-normally", "ssh-session": "closed-normally", "ssh-banner-close": "closed-normally",
    "ssh-banner-reset": "reset-by-server", "open-no-banner": "closed-normally", "open-half": "half-open-reset-by-client",
    "open-after-retry": "closed-normally", "refused": "refused-rst", "refused-after-retry": "refused-rst",
    "icmp-unreachable": "icmp-unreachable", "icmp-ttl": "icmp-ttl-exceeded", "silent": "silent",
}  # fmt: skip

COUNT = """
import json, sys
from collections import Counter
from netprobe.cli.filters import Filters
from netprobe.replay.run import replay
with replay([sys.argv[1]]) as done:
    print(json.dumps(Counter(done.ledger.ending(i).outcome for i in Filters().choose(done.ledger).tolist())))
"""


def cpu(command: list[str]) -> tuple[float, float]:
    """CPU seconds (user and system, children included) and peak MiB of one run."""
    pid = os.fork()
    if pid == 0:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        os.execvp(command[0], command)
    _, _, usage = os.wait4(pid, 0)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def check(path: Path, truth: dict[str, dict[str, int]]) -> bool:
    """Whether netprobe counts exactly what the generator made."""
    wanted: dict[str, int] = {}
    for name, count in truth["classes"].items():
        wanted[OUTCOMES[name]] = wanted.get(OUTCOMES[name], 0) + count
    # In a process of its own: a child's peak memory starts from what its parent holds.
    found = json.loads(subprocess.run([sys.executable, "-c", COUNT, str(path)], check=True, capture_output=True).stdout)
    wanted = {word: count for word, count in wanted.items() if count}
    if found != wanted:
        print(f"  counts differ: {found} instead of {wanted}")
    return found == wanted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("maker", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed program is compiled once, not at every start
    print(f"{'capture':9}{'netprobe CPU s':>16}{'peak MiB':>10}   CPU of peer / CPU of netprobe, median of pairs")
    right = True
    for name, (profile, scale) in PROFILES.items():
        path = options.folder / f"{name}.pcap"
        if not path.exists():
            subprocess.run([sys.executable, str(options.maker), profile, "-o", str(path), "--scale", scale], check=True)
        own = [sys.executable, "-m", "netprobe", "replay", str(path)]
        cpu(own)  # the file is in the page cache from here on
        rows: dict[str, list[float]] = {}
        seconds, peaks = [], []
        for _ in range(options.runs):
            mine, peak = cpu(own)
            seconds.append(mine)
            peaks.append(peak)
            for peer, command in PEERS.items():
                if shutil.which(command[0]):
                    rows.setdefault(peer, []).append(cpu([*command, str(path)])[0] / mine)
        ratios = "  ".join(f"{peer} {statistics.median(values):.2f}x" for peer, values in rows.items())
        right &= check(path, json.loads(Path(f"{path}.truth.json").read_text()))
        print(f"{name:9}{statistics.median(seconds):16.3f}{max(peaks):10.0f}   {ratios}", flush=True)
    print("counts equal the generator's truth" if right else "COUNTS DIFFER", f"({time.strftime('%Y-%m-%d')})")
    sys.exit(0 if right else 1)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
