"""Where a child process begins: `python -m steelyard.runtime.local.entry PIPE WEIGHTS REFERENCES`, open descriptors.

Imports leave some hundred thousand objects behind, all of which stay. The garbage collector would look through them
time and again, then and later; it is told not to.
"""

import gc
import sys


def main(*descriptors: int) -> int:
    """Import what a child needs, and serve; returns the exit code."""
    gc.disable()
    from steelyard.runtime.local import worker

    gc.freeze()
    gc.enable()
    return worker.main(*descriptors)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
