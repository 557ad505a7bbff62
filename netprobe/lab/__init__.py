"""Small networks of namespaces that reproduce a failure: for people to learn from, for tests to trust.

    with up(load("router-reset", before=2, family=6), captures={"client": "seen.pcapng"}) as lab:
        lab.run("client", ["ssh", "-p", str(lab.port), lab.target])

Only documentation addresses are used, and no packet leaves the namespaces. Building needs root, the daemons of the scenario and
pyroute2; reading a scenario needs nothing.
"""

from netprobe.lab.labs import Lab, up
from netprobe.lab.scenario import Scenario, Truth, load, names

__all__ = ["Lab", "Scenario", "Truth", "load", "names", "up"]
