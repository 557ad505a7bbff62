"""`netprobe demo`: a real forged reset, made and diagnosed on this machine."""

import subprocess
import sys

import click

_SCENARIO = "router-reset"
_SAMPLE = "forged-reset-control"


@click.command("demo")
def command() -> None:
    """Build a small network in which a firewall forges a reset, diagnose it live, show the verdict, and remove it all.

    Needs root on Linux, nftables and an OpenSSH server's program; the network is made of namespaces and no packet leaves this
    machine. Where that cannot be had, a recording of the same failure is replayed instead, and the reason is said.
    """
    from netprobe import lab
    from netprobe.lab.errors import BuildFailed, Unavailable

    try:
        scenario = lab.load(_SCENARIO)
        with lab.up(scenario, label="demo") as net:
            click.echo(f"{scenario.title}.")
            click.echo(f"A network of namespaces: {' - '.join(net.nodes)}. The firewall's rule:")
            click.echo('    tcp dport 22 reject with tcp reset      ("I am the server, nobody listens here")\n')
            click.echo(f"$ netprobe diagnose {net.target}")
            said = net.run("client", [sys.executable, "-m", "netprobe", "diagnose", "-n", net.target], timeout=60)
            click.echo(said.stdout, nl=False)
            click.echo(said.stderr, nl=False, err=True)
    except (Unavailable, BuildFailed) as error:
        click.echo(f"Not live: {error}. A recording of the same failure instead:\n")
        click.echo(f"$ netprobe replay --sample {_SAMPLE} --port 22")
        sys.stdout.flush()
        command = [sys.executable, "-m", "netprobe", "replay", "--sample", _SAMPLE, "--port", "22"]
        subprocess.run(command, check=False)
        return
    click.echo("\nThe truth: nothing was wrong with the server. It runs sshd on that port and never saw the SYN.")
    click.echo("More such networks: netprobe lab list. What each would look like in a capture: netprobe samples.")
