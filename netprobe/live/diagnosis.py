"""A live diagnosis: ask, write the evidence, and give the verdict that replaying the evidence gives.

What judges is imported elsewhere, or when there is something to judge, so that the first packet leaves early.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from os import PathLike
from os.path import splitext
from typing import TYPE_CHECKING, Any, NamedTuple

from netprobe.live.network import Kernel, Network
from netprobe.live.options import Options
from netprobe.live.session import Session
from netprobe.live.target import Target
from netprobe.live.wire import Tell

if TYPE_CHECKING:
    from pathlib import Path

    from analyzers.attempts.context import Context
    from analyzers.attempts.services import Service
    from analyzers.model import Verdict
    from netprobe.replay.run import Replay


class Asked(NamedTuple):
    """One address that was asked. Without the right to record packets there is no `path`, and nothing to judge."""

    address: str
    context: "Context"
    path: "Path | None"
    interrupted: bool


class Answer(NamedTuple):
    """What there is to say of one address: how it fares in a word, whether it failed or could not be judged, and the report, as
    lines or as its part of the document."""

    cause: str
    failed: bool = False
    unjudged: bool = False
    lines: Sequence[list[tuple[str, str]]] = ()
    part: dict[str, Any] | None = None


def opened(targets: Iterable[Target], options: Options) -> Iterator[Kernel]:
    """This machine's networks for all addresses in turn, each with all open that takes rights to open; where they lack, it will be
    said."""
    networks = [Kernel(address, options.source, options.device) for target in targets for address in target.addresses]
    for network in networks:
        with suppress(OSError):
            network.open()
    return iter(networks)


def ask(
    target: Target,
    options: Options,
    tell: Tell,
    path: str | PathLike[str] | None = None,
    through: Callable[[str], Network | None] = lambda address: None,
    meanwhile: Callable[[], object] = lambda: None,
) -> Iterator[Asked]:
    """Ask every address of the target in turn, and keep the evidence of each; Ctrl-C ends after the one being asked.

    `through` gives the network that leads to an address, None for this machine's own; `meanwhile` is called while
    the first answer of each is on its way.
    """
    for number, address in enumerate(target.addresses):
        tell(f"asking {address} port {target.port}")
        session = Session(target.typed, address, target.port, options, tell, through(address), meanwhile)
        session.run()
        context = session.context()
        kept = None
        if session.wire.recorder is not None:
            from netprobe.live import evidence
            from netprobe.live.heard import senders
            from netprobe.live.names import names_of

            chosen = path if path is None or number == 0 else f"-{number + 1}".join(splitext(path))
            frames = session.wire.recorder.frames
            wanted = options.names and not session.interrupted
            data = evidence.pcapng(
                frames, context, session.wire.recorder.dropped, names_of(senders(frames)) if wanted else {}
            )
            kept = evidence.keep(data, context, chosen)
        yield Asked(address, context, kept, session.interrupted)
        if session.interrupted:
            return


def judge(asked: Asked) -> Iterator["tuple[Replay, Service, Verdict]"]:
    """The verdict on what was asked, as `replay` gives it on the evidence file; nothing without one."""
    import numpy as np

    from netprobe.replay.run import replay

    if asked.path is None:
        return
    with replay([str(asked.path)]) as done:
        for service in done.services(np.flatnonzero(done.ledger.seen())):
            if service.address == asked.context.target and service.port == asked.context.port:
                yield done, service, done.verdict(service)
