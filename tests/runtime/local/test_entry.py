"""What a process of a run on a model of our own never imports, and what its start leaves to the garbage collector."""

import subprocess
import sys

HEAVY = (
    "{'transformers', 'peft', 'matplotlib', 'pyarrow', 'scipy', 'sympy', 'pandas', 'torch._dynamo'} & {*sys.modules}"
)
WHOLE_RUN = f"""
import sys
import steelyard

steelyard.train(
    "arithmetic", runtime="inline", max_steps=1, search_prompts=4, num_prompts=2, output_dir=sys.argv[1], report=False
)
print(sorted({HEAVY}))
"""
CHILD = f"""
import gc
import sys
from steelyard.runtime.local import worker
from steelyard.runtime.local.entry import main

worker.main = lambda *numbers: print(gc.isenabled(), gc.get_freeze_count() > 10_000, *numbers, sorted({HEAVY}))
main(3, 4, 5)
print("steelyard.runtime.inline.driver" in sys.modules, "steelyard.runtime.roles.driver" in sys.modules)
"""


def _say(code, *words):
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_searching_learning_measuring_and_saving_need_no_transformers(tmp_path):
    """Inline, all of a run's parts work in one process, which is then what each child is."""
    assert _say(WHOLE_RUN, str(tmp_path / "run")) == "[]\n"
    assert (tmp_path / "run/model/model.safetensors").exists()


def test_a_child_imports_its_own_part_alone_and_keeps_it_from_the_garbage_collector():
    assert _say(CHILD) == "True True 3 4 5 []\nFalse False\n"
