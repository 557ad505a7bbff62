"""What an ICMP error says, as a word. Source: IANA's registries of ICMP and ICMPv6 types and codes."""

RAN_OUT = "ttl-exceeded"
# IANA's names of the codes, shortened; v6 code words differ where the meaning does.
KINDS: dict[tuple[int, int, int], str] = {
    (4, 3, 0): "net-unreachable", (4, 3, 1): "host-unreachable", (4, 3, 2): "protocol-unreachable",
    (4, 3, 3): "port-unreachable", (4, 3, 4): "fragmentation-needed", (4, 3, 5): "source-route-failed",
    (4, 3, 6): "net-unknown", (4, 3, 7): "host-unknown", (4, 3, 8): "source-host-isolated", (4, 3, 9): "net-prohibited",
    (4, 3, 10): "host-prohibited", (4, 3, 11): "net-unreachable-for-tos", (4, 3, 12): "host-unreachable-for-tos",
    (4, 3, 13): "admin-prohibited", (4, 3, 14): "precedence-violation", (4, 3, 15): "precedence-cutoff",
    (4, 11, 0): RAN_OUT, (4, 11, 1): "reassembly-timeout",
    (6, 1, 0): "no-route", (6, 1, 1): "admin-prohibited", (6, 1, 2): "beyond-scope", (6, 1, 3): "address-unreachable",
    (6, 1, 4): "port-unreachable", (6, 1, 5): "policy-failed", (6, 1, 6): "reject-route",
    (6, 3, 0): RAN_OUT, (6, 3, 1): "reassembly-timeout", (6, 2, 0): "packet-too-big",
}  # fmt: skip


def kind_of(version: int, icmp_type: int, code: int) -> str:
    """The word for an ICMP error's type and code."""
    return KINDS.get((version, icmp_type, code), f"icmp-{icmp_type}-{code}")


BAD_HEADER = kind_of(4, 12, 0)
"""A parameter problem: somebody finds an option of the IP header wrong."""
