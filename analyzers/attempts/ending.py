"""How one attempt went: who asked, what came back, how it ended. Read from its kept rows in capture order.

The words are those of the capture manifest's truth (`outcome`, `handshake`, `answer`, `ending`), beside Zeek's
`conn_state` and the letters of its `history` (https://docs.zeek.org, base/protocols/conn/main.zeek). Nothing here says
who really sent a packet: "server" means that the packet bears the server's address.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from analyzers.attempts.columns import UNKNOWN
from captures.flags import ACK, FIN, RST, SYN

_MAX_AHEAD = 65_535  # an acknowledging segment may lie this far behind what was captured and still be the client's


class Step(NamedTuple):
    """What the story reads of one kept row; `client` is the sender's side, of an ICMP error that of the quoted packet.

    `position` and `ack_position` count from that side's initial sequence number (SYN is 0, the first byte 1); `ahead`
    and `ack_ahead` from the highest end seen before (0 is in order, below 0 a repetition). UNKNOWN when not to be told.
    """

    client: bool
    flags: int
    icmp: tuple[int, int, int] | None  # version, type, code
    payload: bool
    position: int
    ahead: int
    ack_position: int
    ack_ahead: int

    def has(self, bits: int) -> bool:
        return self.icmp is None and self.flags & bits == bits


@dataclass(frozen=True, slots=True)
class Ending:
    """The story of an attempt. Fields ending in `_row` or `_rows` are indices into its kept rows.

    `handshake`: complete, half-open, partial, none, synack-only, unseen. `answer`: syn-ack, rst, icmp-unreachable,
    icmp-ttl-exceeded, icmp-other, other-tcp, none, unseen. `rst_sender`: client, server, "both, first X" or "".
    """

    client_side: int
    roles: str  # how the client is known: syn, syn-ack, first-sender
    handshake: str
    answer: str
    outcome: str
    ending: str
    conn_state: str
    history: str
    syn_rows: tuple[int, ...]
    synack_rows: tuple[int, ...]
    rst_rows: tuple[int, ...]
    ignored_rst_rows: tuple[int, ...]
    icmp_rows: tuple[int, ...]
    rst_sender: str
    fin_client: bool
    fin_server: bool
    answer_row: int | None = None
    closing_row: int | None = None  # the FIN or RST that decided the ending
    notes: tuple[str, ...] = ()
    course: int | None = (
        None  # the row from which on the connection was used to ask about the way; it is no part of the story
    )
    limited: bool = False  # words or acknowledgements of the client's had a TTL too small for a program's


ICMP_CLASSES = {
    (4, 3): "icmp-unreachable", (6, 1): "icmp-unreachable", (4, 11): "icmp-ttl-exceeded", (6, 3): "icmp-ttl-exceeded",
}  # fmt: skip


def icmp_class(version: int, kind: int, code: int) -> str:
    """The class of an ICMP error; "fragmentation needed" (IPv4 3/4) is not a refusal and counts as other."""
    if (version, kind, code) == (4, 3, 4):
        return "icmp-other"
    return ICMP_CLASSES.get((version, kind), "icmp-other")


def client_side_of(sides: Sequence[int], flags: Sequence[int], icmp: Sequence[bool]) -> tuple[int, str]:
    """The client's side and how it is known: it sent the first SYN, else got the first SYN-ACK, else spoke first."""
    tcp = [(side, flag & (SYN | ACK)) for side, flag, error in zip(sides, flags, icmp, strict=True) if not error]
    for side, flag in tcp:
        if flag == SYN:
            return side, "syn"
    for side, flag in tcp:
        if flag == SYN | ACK:
            return 1 - side, "syn-ack"
    return (tcp[0][0] if tcp else sides[0]), "first-sender"


def tell(steps: Sequence[Step], client_side: int, roles: str) -> Ending:
    """The ending of the attempt whose kept rows, seen from the client, are `steps`."""
    return _Story(steps, client_side, roles).tell()


class _Story:
    def __init__(self, steps: Sequence[Step], client_side: int, roles: str) -> None:
        self.steps = steps
        self.client_side = client_side
        self.roles = roles
        numbered = list(enumerate(steps))
        tcp = [(i, s) for i, s in numbered if s.icmp is None]
        self.tcp = tcp
        self.syns = [i for i, s in tcp if s.client and s.flags & (SYN | ACK) == SYN]
        self.server_syns = [i for i, s in tcp if not s.client and s.flags & (SYN | ACK) == SYN]
        self.synacks = [i for i, s in tcp if not s.client and s.has(SYN | ACK)]
        self.client_synacks = [i for i, s in tcp if s.client and s.has(SYN | ACK)]
        self.rsts = [i for i, s in tcp if s.has(RST)]
        self.icmps = [i for i, s in numbered if s.icmp is not None]
        self.notes: list[str] = []

    def tell(self) -> Ending:
        ignored = self._ignored_resets()
        effective = [i for i in self.rsts if i not in ignored]
        handshake = self._handshake()
        answer, answer_row = self._answer(ignored)
        ending, closing_row = self._ending(effective)
        outcome = self._outcome(handshake, answer, ending, effective)
        connected = not self.syns or handshake in ("complete", "partial")
        if self.syns and any(i < self.syns[0] for i, _ in self.tcp):
            self.notes.append("the SYN was captured after later packets of the connection")
        if self.server_syns and self.syns:
            self.notes.append("both sides sent a SYN (simultaneous or split open)")
        if self.client_synacks:
            self.notes.append("a SYN-ACK came from the client's side")
        if ignored:
            self.notes.append("traffic went on in both directions after a RST")
        return Ending(
            client_side=self.client_side, roles=self.roles, handshake=handshake, answer=answer, outcome=outcome,
            ending=ending if connected else "", conn_state=self._conn_state(outcome, handshake, ending), history=self._history(),
            syn_rows=tuple(self.syns), synack_rows=tuple(self.synacks), rst_rows=tuple(self.rsts),
            ignored_rst_rows=tuple(ignored), icmp_rows=tuple(self.icmps), rst_sender=self._rst_sender(),
            fin_client=any(s.client and s.has(FIN) for _, s in self.tcp),
            fin_server=any(not s.client and s.has(FIN) for _, s in self.tcp),
            answer_row=answer_row, closing_row=closing_row, notes=tuple(self.notes),
        )  # fmt: skip

    def _ignored_resets(self) -> list[int]:
        """RSTs after which both sides went on: whoever sent them, they closed nothing."""
        out = []
        for i in self.rsts:
            later = [s.client for j, s in self.tcp if j > i and not s.has(RST)]
            if True in later and False in later:
                out.append(i)
        return out

    def _fits(self, i: int) -> bool:
        """Whether a segment acknowledges the other side's SYN and lies where its own side can be."""
        step = self.steps[i]
        if not step.has(ACK) or step.has(RST) or step.ack_position == UNKNOWN or step.position == UNKNOWN:
            return False
        return step.ack_position >= 1 and step.ack_ahead <= 0 and step.position >= 1 and step.ahead <= _MAX_AHEAD

    def _handshake(self) -> str:
        if not self.syns:
            return "synack-only" if self.synacks or self.client_synacks else "unseen"
        from_client = [i for i, s in self.tcp if s.client and not s.flags & SYN]
        if self.synacks:
            if any(self._fits(i) for i in from_client):
                return "complete"
            if any(not self.steps[i].has(RST) for i in from_client):
                self.notes.append("the client's ACK does not fit the SYN-ACK")
            return "half-open"
        if self.server_syns and self.client_synacks and any(self._fits(i) for i, s in self.tcp if not s.client):
            return "complete"
        went_on = [s for _, s in self.tcp if s.client and not s.flags & (SYN | RST)]
        if went_on:
            self.notes.append("the SYN-ACK was not captured")
            return "partial"
        return "none"

    def _answer(self, ignored: list[int]) -> tuple[str, int | None]:
        if not self.syns:
            return "unseen", None
        first = self.syns[0]
        aside: tuple[str, int] | None = None
        for i, step in enumerate(self.steps):
            if step.icmp is not None:
                if i > first and step.client:
                    if step.position not in (0, UNKNOWN):
                        self.notes.append(
                            "an ICMP error quotes a sequence number that is not the SYN's: clients ignore it"
                        )
                        continue
                    kind = icmp_class(*step.icmp)
                    if kind != "icmp-other":
                        return kind, i
                    aside = aside or (kind, i)  # a redirect or the like: no answer while another one follows
            elif not step.client and i not in ignored:
                if step.has(SYN | ACK):
                    if step.ack_position == UNKNOWN or step.ack_position >= 1:
                        return "syn-ack", i
                    self.notes.append("the SYN-ACK acknowledges another sequence number")
                    return "other-tcp", i
                if i > first and step.has(RST):
                    return "rst", i
                if i > first and not step.has(SYN):
                    return "other-tcp", i
        return aside or ("none", None)

    def _ending(self, effective: list[int]) -> tuple[str, int | None]:
        """How the connection stopped: the first RST that counted, unless both sides had closed before it."""
        fins = self._closing_fins()
        reset = min(effective, default=None)
        if reset is not None and not all(side in fins and fins[side] < reset for side in (True, False)):
            return ("reset-by-client" if self.steps[reset].client else "reset-by-server"), reset
        if len(fins) == 2:
            return "closed-normally", min(fins.values())
        for side, row in fins.items():
            return ("half-closed-by-client" if side else "half-closed-by-server"), row
        return "open", None

    def _closing_fins(self) -> dict[bool, int]:
        """Per side its first FIN that closed something: not before its SYN-ACK, and no new data of that side behind it."""
        fins: dict[bool, int] = {}
        for i, step in self.tcp:
            if not step.has(FIN) or step.client in fins:
                continue
            early = not step.client and any(j > i for j in self.synacks)
            later = [s for j, s in self.tcp if j > i and s.client == step.client and s.payload and not s.has(RST)]
            went_on = any(s.ahead >= 0 for s in later)
            if early or went_on:
                self.notes.append("a FIN that did not close anything")
            else:
                fins[step.client] = i
        return fins

    def _outcome(self, handshake: str, answer: str, ending: str, effective: list[int]) -> str:
        if not self.syns:
            return "midstream"
        if handshake == "half-open":
            return f"half-open-{ending}" if ending.startswith("reset-") else "half-open"
        if handshake == "complete":
            return "established" if ending == "open" else ending
        if handshake == "partial":
            if not any(not s.client for _, s in self.tcp):
                return "one-sided-client"
            return "established" if ending == "open" else ending
        server_rst = next((i for i in effective if not self.steps[i].client), None)
        if server_rst is not None and not answer.startswith("icmp"):
            return "refused-rst"
        if answer.startswith("icmp"):
            return answer
        if any(self.steps[i].client for i in effective):
            return "aborted-by-client"
        return "refused-rst" if server_rst is not None else "silent"

    def _conn_state(self, outcome: str, handshake: str, ending: str) -> str:
        if outcome in _CONN_STATES:
            return _CONN_STATES[outcome]
        client_sent = any(s.client for _, s in self.tcp)
        if outcome == "one-sided-client":
            return "SH" if ending == "half-closed-by-client" else "OTH"
        if outcome == "half-open-reset-by-server":
            return "RSTR" if any(s.client and not s.flags & SYN for _, s in self.tcp) else "REJ"
        if handshake == "synack-only":
            if not client_sent:
                return {"half-closed-by-server": "SHR", "reset-by-server": "RSTRH"}.get(ending, "OTH")
            return _CONN_STATES.get("established" if ending == "open" else ending, "OTH")
        return "OTH"

    def _history(self) -> str:
        letters: list[str] = []
        for _, s in self.tcp:
            for letter in _letters(s):
                shown = letter if s.client else letter.lower()
                if shown not in letters:
                    letters.append(shown)
        return "".join(letters)

    def _rst_sender(self) -> str:
        senders = ["client" if self.steps[i].client else "server" for i in self.rsts]
        return f"both, first {senders[0]}" if len(set(senders)) == 2 else senders[0] if senders else ""


def _letters(step: Step) -> str:
    """Zeek's history letters for one segment: S H R, data before FIN, A only for a pure acknowledgement."""
    if step.flags & RST:
        return "R"
    if step.flags & SYN:
        return "H" if step.flags & ACK else "S"
    letters = ("D" if step.payload else "") + ("F" if step.flags & FIN else "")
    return letters or ("A" if step.flags & ACK else "")


_CONN_STATES = {
    "silent": "S0", "icmp-unreachable": "S0", "icmp-ttl-exceeded": "S0", "icmp-other": "S0", "refused-rst": "REJ",
    "aborted-by-client": "RSTOS0", "half-open": "S1", "half-open-reset-by-client": "RSTO", "established": "S1",
    "closed-normally": "SF", "half-closed-by-client": "S2", "half-closed-by-server": "S3", "reset-by-client": "RSTO",
    "reset-by-server": "RSTR",
}  # fmt: skip
