"""The SSH daemon: it accepted the connection and turned it away."""

from analyzers.closed import ClosedAfterWords, ClosedWithoutWord, NotTheServers, SynAckMarked, TookItIn
from analyzers.model import Cause, seen
from analyzers.ssh import ClientNotSsh, NoCommonAlgorithm, SshBanner, SshLastWords

_OPENSSH = "OpenSSH sshd.c, its history; measured with 9.2 and 10.x"
_NOT_SSHD = (seen(NotTheServers), seen(TookItIn))

CAUSES = (
    Cause(
        "closed.target.sshd.tcp-wrappers", "TCP wrappers (hosts.deny) refused the client: accept, five seconds, close",
        "server-host", requires=(seen(ClosedWithoutWord, ssh=True),),
        supports=(seen(ClosedWithoutWord, pace="five-seconds", ssh=True),),
        excludes=(
            seen(ClosedWithoutWord, pace="at-once"), seen(ClosedWithoutWord, words="read"), seen(NotTheServers),
        ),
        source="libwrap clean_exit.c sleeps 5 s before it exits; measured with Debian's sshd and tcpd",
    ),
    Cause(
        "closed.target.sshd.broken-child", "sshd cannot start its per-connection process (upgrade without restart, files gone)",
        "server-host", requires=(seen(ClosedWithoutWord, pace="at-once", ssh=True),), excludes=_NOT_SSHD,
        source="measured: old listener with new binary, sshd-session removed, /run/sshd vanished",
    ),
    Cause(
        "closed.target.sshd.max-startups-unsaid", "sshd before 8.2 has too many unauthenticated connections and closes without a word",
        "server-host", requires=(seen(ClosedWithoutWord, pace="at-once", ssh=True),), excludes=_NOT_SSHD,
        source="OpenSSH sshd.c before commit fc173aeb1 (2019-11), read",
    ),
    Cause(
        "closed.target.sshd.login-grace", "nobody logged in within sshd's LoginGraceTime (120 s unless configured)", "server-host",
        requires=(seen(SshBanner), seen(ClosedAfterWords)), supports=(seen(ClosedAfterWords, whole_seconds=120),),
        excludes=(
            seen(NoCommonAlgorithm), seen(SshLastWords), seen(NotTheServers), seen(ClientNotSsh),
            *(seen(ClosedAfterWords, whole_seconds=seconds) for seconds in (0, 1)),
        ),
        source="measured: closed 3.01 s after accept with LoginGraceTime 3",
    ),
    Cause(
        "closed.target.sshd.max-startups", "sshd has too many unauthenticated connections (MaxStartups)", "server-host",
        requires=(seen(SshLastWords, meaning="max-startups"),), supports=(seen(SshLastWords, meaning="max-startups"),),
        source=_OPENSSH,
    ),
    Cause(
        "closed.target.sshd.per-source-max-startups",
        "sshd has too many unauthenticated connections from this network (PerSourceMaxStartups)", "server-host",
        requires=(seen(SshLastWords, meaning="max-startups"),), supports=(seen(SshLastWords, meaning="max-startups"),),
        source=_OPENSSH,
    ),
    *(
        Cause(
            f"closed.target.sshd.not-allowed-{name}", title, "server-host",
            requires=(seen(SshLastWords, meaning="not-allowed"),), supports=(seen(SshLastWords, meaning="not-allowed"),),
            source=_OPENSSH,
        )
        for name, title in (
            ("max-startups", "sshd 9.8 or later has too many unauthenticated connections (MaxStartups)"),
            ("per-source-max-startups", "sshd 9.8 or later: too many connections from this network (PerSourceMaxStartups)"),
            ("penalty", "sshd 9.8 or later penalises this client's address (PerSourcePenalties)"),
        )
    ),
    Cause(
        "closed.target.sshd.bad-identification", "the client's first line was not SSH, so sshd refused it", "server-host",
        requires=(seen(ClientNotSsh),), supports=(seen(ClientNotSsh),),
        proof=(seen(SshLastWords, meaning="bad-identification", client_spoke_ssh=False),), source=_OPENSSH,
    ),
    Cause(
        "closed.target.sshd.version", "client and sshd speak different major versions of SSH", "server-host",
        requires=(seen(SshLastWords, meaning="version"),), proof=(seen(SshLastWords, meaning="version"),), source=_OPENSSH,
    ),
    Cause(
        "closed.target.sshd.no-common-algorithm", "client and server have no common algorithm", "server-host",
        requires=(seen(NoCommonAlgorithm),), proof=(seen(NoCommonAlgorithm),), source="RFC 4253 section 7.1: both KEXINITs",
    ),
    Cause(
        "closed.target.sshd.after-banner", "the SSH server identified itself and then closed, without saying why",
        "server-host", requires=(seen(SshBanner), seen(ClosedAfterWords)),
        excludes=(seen(NoCommonAlgorithm), seen(SshLastWords), seen(NotTheServers), seen(ClientNotSsh)),
        source="measured: login grace time over, client left, server died",
    ),
    Cause(
        "closed.target.dropbear.limit", "dropbear has too many unauthenticated connections (5 per address, 30 in all)",
        "server-host", requires=(seen(ClosedWithoutWord, pace="at-once", ssh=True),),
        supports=(seen(SynAckMarked, tos=0x48, telling=True),),
        excludes=(seen(NotTheServers), seen(TookItIn)),
        source="dropbear default_options.h and svr-main.c; measured with 2022.83",
    ),
    Cause(
        "closed.target.inetd.refused", "xinetd, inetd or systemd accepted and could not, or may not, start the service",
        "server-host", requires=(seen(ClosedWithoutWord, pace="at-once"),), excludes=(seen(NotTheServers), seen(TookItIn)),
        source="measured: xinetd no_access, per_source, instances; missing program",
    ),
    Cause(
        "closed.target.inetd.text", "a super-server or wrapper sent its refusal as text and closed", "server-host",
        requires=(seen(ClosedAfterWords),), excludes=(seen(SshBanner), seen(SshLastWords), seen(NotTheServers)),
        source="measured: xinetd banner_fail, libwrap twist",
    ),
)  # fmt: skip
