"""The accuracy matrix: networks with known truth, netprobe and today's tools run side by side in each, and what they said counted.

    python -m tests.accuracy                     as root: some 60 cells, netprobe alone
    python -m tests.accuracy --peers --markdown  beside nmap, traceroute, tcptraceroute and mtr; the tables of the README
    python -m tests.accuracy --compare OLD NEW   two runs kept with --json, cell by cell

The truth is what the scenario file says was done to the network, never what netprobe says.
"""
