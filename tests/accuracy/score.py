"""How right an answer is: against the truth of the scenario file, three scores. Pure.

    outcome  right, wrong, none
    place    exact: that hop and no other, and an address, where one is given, that the acting node has
             named: such an address, and no hop or several; within: two hops, one of them true; wide: more; none: nothing said
             WRONG: another hop, or the address of another node. Where all is well there is no place to score
    cause    exact: the whole id; prefix: its beginning; none: nothing said; chance: it worked, as it sometimes does; WRONG

Tools that do not use netprobe's words are read as classes of outcomes (`CLASSES`), and for what they can know: those that see
how the SYN was answered place nothing where it was accepted, and a service that they name there need not work.
"""

from dataclasses import dataclass

from netprobe.lab import Scenario, Truth

# What a tool can tell apart that sees only how the SYN was answered.
CLASSES = {
    "refused-rst": "reset",
    "half-open-reset-by-server": "reset",
    "icmp-unreachable": "icmp",
    "icmp-ttl-exceeded": "icmp",
    "silent": "silent",
    "half-open": "silent",
    "not-sent": "not-sent",
}
# What is true as well when a race or chance has it so: every try of an attempt lost; the client's words behind the server's greeting.
BY_CHANCE = {
    "loss": [
        *(f"{one}.network.path.loss" for one in ("silence", "mute", "stalled")),
        "half-open.network.path.ack-lost",
    ],
    "reset-on-banner-one-sided": ["closed.network.firewall.one-sided"],
}


@dataclass(frozen=True)
class Answer:
    """What a tool said. "" and None: it did not say. `outcome` is netprobe's word, or a class (with `coarse`)."""

    outcome: str = ""
    cause: str = ""
    hop_min: int | None = None
    hop_max: int | None = None
    address: str = ""
    actor: str = ""
    strength: str = ""
    coarse: bool = False


@dataclass(frozen=True)
class Score:
    """`depth` is the share of the true id that was said; None where the cause is not scored."""

    outcome: str
    place: str
    cause: str
    depth: float


def score(answer: Answer, scenario: Scenario) -> Score:
    """The three scores of an answer."""
    truth = scenario.truth
    cause, depth = _cause(answer, scenario)
    return Score(_outcome(answer, truth), "none" if cause == "chance" else _place(answer, scenario), cause, depth)


def ordinary(outcome: str) -> str:
    """The class of an outcome: whatever began with a complete handshake is "open"."""
    return CLASSES.get(outcome, "open")


def _outcome(answer: Answer, truth: Truth) -> str:
    if not answer.outcome:
        return "none"
    ends = {truth.outcome, *truth.also}
    if answer.coarse:
        ends = {ordinary(one) for one in ends}
    return "right" if answer.outcome in ends else "wrong"


def _cause(answer: Answer, scenario: Scenario) -> tuple[str, float]:
    truth = scenario.truth
    if not answer.cause or (
        answer.coarse and answer.cause.startswith("healthy") and _accepted(truth) and not _well(truth)
    ):
        return "none", 0.0
    if answer.cause == truth.cause:
        return "exact", 1.0
    if answer.cause.startswith("healthy") and truth.also and _outcome(answer, truth) == "right":
        return "chance", 0.0
    said = answer.cause.split(".")
    for cause in (truth.cause, *BY_CHANCE.get(scenario.name, ())):
        true = cause.split(".")
        if true[: len(said)] == said:
            return "prefix", len(said) / len(true)
    return "WRONG", 0.0


def _place(answer: Answer, scenario: Scenario) -> str:
    truth = scenario.truth
    if answer.actor and answer.actor not in (truth.actor, "unknown"):
        return "WRONG"
    if _well(truth) or (answer.coarse and _accepted(truth)):
        return "none"
    low, high = answer.hop_min, answer.hop_max
    theirs = answer.address in addresses(scenario, truth.node)
    if (
        (low is not None and truth.hop < low)
        or (high is not None and truth.hop > high)
        or (answer.address and not theirs)
    ):
        return "WRONG"
    if low is not None and low == high:
        return "exact"
    if theirs:
        return "named"
    if low is None and high is None:
        return "none"
    return "wide" if low is None or high is None or high - low > 1 else "within"


def _well(truth: Truth) -> bool:
    return truth.cause.startswith("healthy")


def _accepted(truth: Truth) -> bool:
    return ordinary(truth.outcome) == "open"


def addresses(scenario: Scenario, node: str) -> set[str]:
    """Every address by which a node is known. A host behind an address is known by that address, and a loop has two ends."""
    nodes = {node}
    if scenario.name == "routing-loop":
        nodes.add(f"r{scenario.parameters['before']}")
    if scenario.name == "routing-loop-silent":
        nodes.add("near")
    ports = (port for link in scenario.topology.links for port in (link.one, link.two))
    own = {port.address for port in ports if port.node in nodes and port.address}
    own.update(*(scenario.nodes[name].addresses for name in nodes))
    return own | ({scenario.target} if scenario.truth.actor == "backend" else set())
