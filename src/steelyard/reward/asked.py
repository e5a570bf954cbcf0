"""What a function asks for by name, told by the worker that would run it: a worker loads this file by its path.

To load a function is to run its module, so nobody does that in the calling process. This file imports nothing of
steelyard (see `worker.py`).
"""

import inspect
import sys


def parameters(target: str) -> list[str]:
    """The names of the parameters of `module:function` or `path/to/file.py:function`."""
    worker = sys.modules["__main__"]  # worker.py, which is what the process runs
    return [*inspect.signature(worker.load(target)).parameters]
