"""Nothing is wrong."""

from __future__ import annotations

from tests.lab_recordings.lab import SERVER
from tests.lab_recordings.sample import WORKS, Sample, Truth, Try, healthy, logged_in, other_port

SAMPLES = (
    Sample(
        name="healthy-ssh",
        title="ssh logged in, ran a command and ended normally.",
        story="Nothing was wrong: sshd listened on port 22 of the server and knew the user's key. The "
        "user ran one command and the connection was closed by both sides.",
        truth=Truth("closed-normally", "healthy.ssh", "server-host", 3),
        prepare=healthy,
        steps=(Try(),),
        shows=logged_in(22),
    ),
    Sample(
        name="ssh-on-2222",
        title="SSH on another port: ssh -p 2222 logged in, ran a command and ended normally.",
        story="Nothing was wrong: sshd of this server listens on port 2222 only, not on 22, and the user "
        "asked for that port.",
        truth=Truth("closed-normally", "healthy.ssh", "server-host", 3, f"{SERVER} 2222"),
        prepare=other_port,
        steps=(WORKS,),
        shows=logged_in(2222),
    ),
)
