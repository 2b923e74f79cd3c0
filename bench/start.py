"""How long do `surpass --help` and `import surpass` take, against Python alone?

    python bench/start.py [--turns 7]

New processes in turns, seconds on the clock.
"""

from __future__ import annotations

import subprocess
import sys
import time

from surpass.benching import Claim, in_turns, script

COMMANDS = {
    "surpass --help": ["-m", "surpass", "--help"],
    "import surpass": ["-c", "import surpass"],
    "python": ["-c", ""],
}


def seconds(arguments: list[str]) -> float:
    """Return how long a new Python takes with these arguments."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def claims(turns: int = 7) -> list[Claim]:
    """Return the claims of this part."""
    cases = {name: lambda arguments=arguments: seconds(arguments) for name, arguments in COMMANDS.items()}
    found = in_turns(cases, turns)
    return [
        Claim("surpass --help", "s", found["surpass --help"], 0.3, "most", {"python alone, s": found["python"]}),
        Claim("import surpass", "s", found["import surpass"], 0.2, "most", {"python alone, s": found["python"]}),
    ]


if __name__ == "__main__":
    script(claims, __doc__)
