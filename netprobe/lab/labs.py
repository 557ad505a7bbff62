"""Labs go up and come down."""

import atexit
import json
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from netprobe.lab.daemons import load_rules, run_daemons, run_programs
from netprobe.lab.errors import UnknownScenario
from netprobe.lab.needs import check
from netprobe.lab.plan import orders
from netprobe.lab.processes import await_ready, end, environment, finish, inside, program, start
from netprobe.lab.scenario import Scenario, Truth, load
from netprobe.lab.signals import Pending, deferred
from netprobe.lab.state import State, remove


@dataclass
class Lab:
    """A lab that is up."""

    scenario: Scenario
    state: State
    _started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def target(self) -> str:
        """The address that the user connects to."""
        return self.scenario.target

    @property
    def port(self) -> int:
        return self.scenario.port

    @property
    def truth(self) -> Truth:
        return self.scenario.truth

    @property
    def nodes(self) -> tuple[str, ...]:
        return self.scenario.topology.nodes

    def node(self, name: str) -> str:
        """The namespace of a node. UnknownScenario if there is no such node."""
        if name not in self.nodes:
            raise UnknownScenario(f"{self.scenario.name} has no node {name}; it has {', '.join(self.nodes)}")
        return self.state.namespace(name)

    def run(self, node: str, argv: Sequence[str], timeout: float = 30) -> subprocess.CompletedProcess[str]:
        """Run a command on a node and wait for it. subprocess.TimeoutExpired after `timeout` seconds."""
        command = inside(self.node(node), argv)
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, env=environment()
        )

    def popen(self, node: str, argv: Sequence[str]) -> subprocess.Popen[str]:
        """Start a command on a node, with its output on pipes. What still runs when the lab comes down is killed."""
        process = subprocess.Popen(
            inside(self.node(node), argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def down(self) -> None:
        """Remove everything. Doing it twice does no harm."""
        with deferred() as pending:
            remove(self.state)
            for process in self._started:
                for pipe in (process.stdout, process.stderr):
                    if pipe is not None:
                        pipe.close()
                end(process)
            self._started.clear()
        pending.hand_on()


def raise_lab(scenario: Scenario, label: str | None, captures: Mapping[str, str], pending: Pending) -> Lab:
    """Build a lab and leave it up; on any failure, or a signal noted in `pending`, nothing is left."""
    label = label or scenario.name
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,30}", label):
        raise UnknownScenario(f"not a label: {label} (small letters, digits and hyphens, at most 31)")
    state = State(label, scenario.name, dict(scenario.parameters), list(scenario.topology.nodes))
    lab = Lab(scenario, state)
    for node, file in captures.items():
        lab.node(node)
        if not Path(file).absolute().parent.is_dir():
            raise UnknownScenario(f"cannot write {file}: there is no such directory")
    check(scenario)
    state.claim()
    try:
        _build(lab, captures, pending)
        state.built = True
        state.save()
        pending.check()
    except BaseException:
        lab.down()
        raise
    return lab


def _build(lab: Lab, captures: Mapping[str, str], pending: Pending) -> None:
    state, scenario = lab.state, lab.scenario
    finish(program("network", packages=True), json.dumps(orders(scenario, state.namespaces())))
    for node, does in scenario.nodes.items():
        pending.check()
        load_rules(state.namespace(node), does)
        if does.wire:
            lab._started += run_programs(state.namespace(node), does)
    pending.check()
    recorders = [
        start(inside(state.namespace(node), program("recorder", str(Path(file).absolute()))), ready=True)
        for node, file in captures.items()
    ]
    lab._started += recorders
    state.recorders += [recorder.pid for recorder in recorders]
    for recorder in recorders:
        await_ready(recorder)
    for node, does in scenario.nodes.items():
        pending.check()
        lab._started += run_daemons(state.namespace(node), does, state.folder / node)
    for node, does in scenario.nodes.items():
        pending.check()
        if not does.wire:
            lab._started += run_programs(state.namespace(node), does)


def enter(state: State) -> Lab:
    """A lab that somebody else keeps up."""
    return Lab(load(state.scenario, **state.parameters), state)


@contextmanager
def up(scenario: Scenario, label: str | None = None, captures: Mapping[str, str] | None = None) -> Iterator[Lab]:
    """A lab for the length of a `with` block: built before it, gone after it, whatever happens in it.

    `captures` maps nodes to files: `.pcapng`, with directions and interface names, or else pcap. They are complete when the block
    ends.
    """
    with deferred() as pending:
        lab = raise_lab(scenario, label, captures or {}, pending)
        atexit.register(lab.down)
    try:
        pending.check()
        yield lab
    finally:
        lab.down()
        atexit.unregister(lab.down)
