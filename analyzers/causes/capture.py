"""Not a cause but the want of one: the capture shows too little of the connection."""

from analyzers.handshake import BegunBefore, EndedEarly, OneDirection, PayloadCut, SynAckMissing
from analyzers.model import Cause, seen

CAUSES = (
    Cause(
        "unseen.capture.handshake-missing", "the capture holds no SYN-ACK, though both sides went on", "unknown",
        requires=(seen(SynAckMissing),), proof=(seen(SynAckMissing),), source="the capture itself",
    ),
    Cause(
        "unseen.capture.payload-cut", "the capture does not hold what the server said", "unknown",
        requires=(seen(PayloadCut),), proof=(seen(PayloadCut),), source="the capture itself",
    ),
    Cause(
        "unseen.capture.ended-early", "the last frame comes too soon after the only SYN to tell", "unknown",
        requires=(seen(EndedEarly),), proof=(seen(EndedEarly),), source="the capture itself",
    ),
    Cause(
        "unseen.capture.one-direction", "only one side's packets were captured, so nothing can be said of the other", "unknown",
        requires=(seen(OneDirection),), proof=(seen(OneDirection),), source="the capture itself",
    ),
    Cause(
        "unseen.capture.midstream", "the capture holds no SYN of this connection", "unknown",
        requires=(seen(BegunBefore),), proof=(seen(BegunBefore),), excludes=(seen(OneDirection),), source="the capture itself",
    ),
)  # fmt: skip
