"""`python -m tests.simulated --count 5000 --seed 7 [--loss 0.1]`: drawn paths diagnosed, true causes by said causes, and what was
said wrong."""

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.simulated.cases import drawn, outcome, table
from tests.simulated.rates import measured


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulated", description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="how many paths")
    parser.add_argument("--seed", type=int, default=0, help="the first one's seed; the others' follow")
    parser.add_argument(
        "--loss", type=float, default=0.0, help="this share of the packets is lost on a cable of each path"
    )
    parser.add_argument("--rates", type=Path, metavar="FILE", help="write how often each piece of evidence misled")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "evidence.pcapng"
        if chosen.rates:
            rates = measured(range(chosen.seed, chosen.seed + chosen.count), path)
            chosen.rates.write_text("\n".join(rates.toml(chosen.seed)) + "\n")
            return 0
        outcomes = [outcome(drawn(seed, chosen.loss), path) for seed in range(chosen.seed, chosen.seed + chosen.count)]
    print("\n".join(table(outcomes)))
    wrong = [one for one in outcomes if not one.right]
    for one in sorted(wrong, key=lambda one: (bool(one.explained), not one.confident)):
        print(f"{'wrong, confident' if one.confident else 'wrong'}: {one.line()}")
    for why, number in Counter(one.explained for one in wrong if one.explained).most_common():
        print(f"{number:>6} known: {why}")
    new = [one for one in wrong if not one.explained]
    confident = sum(one.confident for one in new)
    print(f"{len(outcomes)} paths, {len(wrong)} wrong, {len(new)} of them unknown, {confident} of these confident")
    return 1 if new else 0


if __name__ == "__main__":
    sys.exit(main())
