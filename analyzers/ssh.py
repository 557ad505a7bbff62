"""How far did SSH get, and why did it stop?"""

from collections.abc import Iterator

from analyzers.attempts.attempt import Attempt
from analyzers.attempts.subject import Subject
from analyzers.attempts.talk import LAST_WORDS, last_words, listen
from analyzers.model import Fact, fact


@fact
class SshBanner(Fact):
    """The server identified itself as SSH."""

    server_banner: str
    port: int

    def text(self) -> str:
        return f"the server said {self.server_banner}"


@fact
class NoCommonAlgorithm(Fact):
    """Both key exchange offers were captured whole and have no algorithm in common in at least one list."""

    what: str
    client_offer: tuple[str, ...]
    server_offer: tuple[str, ...]

    def text(self) -> str:
        return (
            f"no common {self.what.replace('_', ' ')} algorithm: client offers {_short(self.client_offer)}; "
            f"server offers {_short(self.server_offer)}"
        )


@fact
class ClientNotSsh(Fact):
    """The client's first bytes are not SSH, though the server's are."""

    said: str

    def text(self) -> str:
        return f"the client began with {self.said!r}, which is not SSH"


@fact
class SshLastWords(Fact):
    """Plain text that the server sent instead of going on with SSH, before it closed. `meaning` is a known text's name."""

    said: str
    meaning: str
    client_spoke_ssh: bool

    def text(self) -> str:
        return f"the server said {self.said!r} and closed"


@fact
class SshDisconnected(Fact):
    """A disconnect message in clear."""

    by_server: bool
    reason: int
    said: str

    def text(self) -> str:
        return f"{'server' if self.by_server else 'client'} sent disconnect {self.reason}: {self.said!r}"


def _short(names: tuple[str, ...]) -> str:
    return ", ".join(names[:4]) + (f", ... ({len(names)} in all)" if len(names) > 4 else "")


def facts(subject: Subject) -> Iterator[Fact]:
    """What the SSH talk of the failing attempts shows, one set of facts per group of attempts that went alike."""
    for attempt, group in subject.failing if subject.symptom != "healthy" else ():
        yield from _of(attempt, len(group))


def _of(attempt: Attempt, count: int) -> Iterator[Fact]:
    talk = listen(attempt)
    if talk is None:
        return
    frames = _speaking(attempt, client=False)
    server = talk.server
    if server.banner:
        yield SshBanner(frames=frames[:1], count=count, server_banner=server.banner, port=attempt.server_port)
    first = attempt.stream(client=True)[:60]
    if server.banner and len(first) >= 4 and not talk.client.banner:
        said = first.split(b"\n")[0].decode("latin-1").strip()
        yield ClientNotSsh(frames=_speaking(attempt, client=True)[:1], count=count, said=said)
    for name, mine, theirs in talk.missing[:1]:
        both = _speaking(attempt, client=True)[:2] + frames[:2]
        yield NoCommonAlgorithm(
            frames=tuple(sorted(both)), count=count, what=name, client_offer=mine, server_offer=theirs
        )
    words = server.text_after or ("" if server.banner else attempt.stream(client=False)[:200].decode("latin-1"))
    said = last_words(words)
    if said:
        yield SshLastWords(
            frames=frames[:2],
            count=count,
            said=said,
            meaning=LAST_WORDS[said],
            client_spoke_ssh=bool(talk.client.banner),
        )
    for by_server, voice in ((True, server), (False, talk.client)):
        if voice.disconnect:
            reason, said = voice.disconnect
            shown = _speaking(attempt, not by_server)[-1:]
            yield SshDisconnected(frames=shown, count=count, by_server=by_server, reason=reason, said=said)


def _speaking(attempt: Attempt, client: bool) -> tuple[int, ...]:
    """Frames in which that side sent payload."""
    return tuple(s.number for s in attempt.segments if s.client == client and s.length)
