"""What a sweep of SYNs got back: one line per port, read from its own evidence as any capture is."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analyzers.attempts.context import Context
from analyzers.attempts.icmp import kind_of
from netprobe.live import evidence
from netprobe.live.sweep import Sweep
from netprobe.replay.run import replay


@dataclass(frozen=True, slots=True)
class Answered:
    """`answer`: syn-ack, rst, an ICMP kind, none, or not-sent with the reason in `cause`."""

    address: str
    port: int
    answer: str
    sender: str
    ttl: int
    cause: str
    tries: int = 0


def evidence_file(sweep: Sweep, path: Path | None) -> Path:
    """Write what was recorded."""
    first = sweep.questions[0]
    context = Context(name="probe", address=first.address, port=first.port, until_ns=time.time_ns(), notes=("probe",))
    frames = filter(sweep.concerns, sweep.recorder.frames)
    return evidence.keep(evidence.pcapng(frames, context, sweep.recorder.dropped), context, path)


def answered(sweep: Sweep, path: Path) -> list[Answered]:
    """The answers in the order of the questions."""
    found: dict[tuple[str, int], Answered] = {}
    with replay([str(path)]) as done:
        for service in done.services(np.flatnonzero(done.ledger.seen())):
            if not len(service.members):
                continue
            attempt = done.attempt(int(service.members[0]))
            answer, sender, ttl = attempt.ending.answer, "", 0
            if attempt.answer is not None and attempt.answer.packet.ip is not None:
                ip, icmp = attempt.answer.packet.ip, attempt.answer.packet.icmp
                sender, ttl = str(ip.src), ip.ttl
                answer = kind_of(icmp.version, icmp.type, icmp.code) if icmp is not None else answer
            where = (str(service.address), service.port)
            found[where] = Answered(*where, answer, sender, ttl, done.verdict(service).cause, len(attempt.syns))
    out = []
    for question in sweep.questions:
        where = (question.address, question.port)
        why = sweep.unsent.get(question)
        if why is not None:
            out.append(Answered(*where, "not-sent", "", 0, why))
        elif where in found:
            out.append(found[where])
        elif question in sweep.asked:
            out.append(Answered(*where, "not-sent", "", 0, "no packet left: does the next hop answer ARP?"))
    return out
