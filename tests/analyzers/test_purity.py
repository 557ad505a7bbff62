"""diagnose() touches nothing of the world: an audit hook sees every file, socket and process that Python opens."""

import sys
from pathlib import Path

from netprobe.cli.filters import Filters
from netprobe.replay.run import replay

_WORLD = ("open", "socket.", "subprocess.", "os.", "ctypes.", "time.sleep", "import")
_armed = False
_seen: list[str] = []


def _hook(event: str, args: tuple[object, ...]) -> None:
    if _armed and event.startswith(_WORLD):
        _seen.append(f"{event} {args}")


def test_a_verdict_is_a_pure_function_of_the_capture(samples: Path) -> None:
    global _armed
    sys.addaudithook(_hook)
    for path in sorted(samples.glob("*.pcap")):
        with replay([str(path)]) as done:
            frames: dict[tuple[int, int, int], bytes] = {}
            services = done.services(Filters().choose(done.ledger))
            wanted = [done.verdict(service) for service in services]  # also fills what is loaded on first use
            held = done.recall

            def recall(file: int, at: int, length: int, held: object = held, frames: dict = frames) -> bytes:
                return frames[file, at, length]

            rows = done.ledger.rows
            for number, at, length in zip(
                rows["number"].tolist(), rows["at"].tolist(), rows["caplen"].tolist(), strict=True
            ):
                frames[number >> 40, at, length] = held(number >> 40, at, length)
            done.recall = recall
            _seen.clear()
            _armed = True
            try:
                again = [done.verdict(service) for service in services]
            finally:
                _armed = False
                done.recall = held
            assert _seen == []
            assert again == wanted
