"""Not a cause but the want of one: the capture shows too little of the connection."""

from analyzers.handshake import BegunBefore, EndedEarly, OneDirection, PayloadCut
from analyzers.model import Cause, seen

CAUSES = (
    Cause(
        "unseen.capture.payload-cut", "the capture does not hold what the server said", "unknown",
        requires=(seen(PayloadCut),), proof=(seen(PayloadCut),), source="the capture itself",
    ),
    Cause(
        "unseen.capture.ended-early", "the capture ends before an answer could be missed", "unknown",
        requires=(seen(EndedEarly),), proof=(seen(EndedEarly),), source="the capture itself",
    ),
    Cause(
        "unseen.capture.one-direction", "only one side's packets were captured, so nothing can be said of the other", "unknown",
        requires=(seen(OneDirection),), proof=(seen(OneDirection),), source="the capture itself",
    ),
    Cause(
        "unseen.capture.midstream", "the connection began before the capture did", "unknown",
        requires=(seen(BegunBefore),), proof=(seen(BegunBefore),), excludes=(seen(OneDirection),), source="the capture itself",
    ),
)  # fmt: skip
