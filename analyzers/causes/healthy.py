"""Nothing is wrong at this layer."""

from analyzers.after import Worked
from analyzers.model import Cause, seen

CAUSES = (
    Cause(
        "healthy.ssh", "SSH answers", "unknown", requires=(seen(Worked, how="ssh"),), proof=(seen(Worked, how="ssh"),),
        source="the server's identification line",
    ),
    Cause(
        "healthy.talked", "the service answers", "unknown", requires=(seen(Worked, how="talked"),),
        excludes=(seen(Worked, how="ssh"),), proof=(seen(Worked, how="talked"),), source="the server's own bytes",
    ),
    Cause(
        "healthy.accepted", "the handshake completes; the server said nothing before the client left", "unknown",
        requires=(seen(Worked, how="accepted"),), excludes=(seen(Worked, how="ssh"), seen(Worked, how="talked")),
        source="RFC 9293 section 3.5",
    ),
    Cause(
        "healthy.answered", "the port answers with a SYN-ACK; the client asked no more", "unknown",
        requires=(seen(Worked, how="answered"),),
        excludes=tuple(seen(Worked, how=how) for how in ("ssh", "talked", "accepted")), source="RFC 9293 section 3.5",
    ),
)  # fmt: skip
