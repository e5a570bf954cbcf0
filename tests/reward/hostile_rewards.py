"""Reward functions that misbehave, each in its own way. Imported by name, in workers."""

import asyncio
import datetime
import decimal
import itertools
import math
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

import msgspec


def hang_on_slow(prompts, completions, **columns):
    if "slow" in completions:
        time.sleep(3600)
    return [1.0] * len(completions)


def spin(prompts, completions, **columns):
    while True:
        pass


def hold_the_interpreter(prompts, completions, **columns):
    return [float(sum(itertools.repeat(1)))]  # one C loop that never lets another thread run


def leave_on_die(prompts, completions, **columns):
    if "die" in completions:
        os._exit(7)
    return [1.0] * len(completions)


def kill_itself(prompts, completions, **columns):
    os.kill(os.getpid(), signal.SIGKILL)


def say_exit(prompts, completions, **columns):
    sys.exit("enough")


def eat_memory(prompts, completions, **columns):
    hoard = []
    while True:
        hoard.append(bytearray(64 << 20))


def recurse(prompts, completions, **columns):
    return recurse(prompts, completions, **columns)


def raise_error(prompts, completions, **columns):
    raise KeyError("no such\nthing")


def too_few(prompts, completions, **columns):
    return [1.0]


def not_a_list(prompts, completions, **columns):
    return 1.0


def strings(prompts, completions, **columns):
    return ["1.0" for _ in completions]


def not_plain(prompts, completions, **columns):
    return [object() for _ in completions]


def odd_numbers(prompts, completions, **columns):
    return [math.nan, math.inf, -math.inf, None, 10**18, True, 0.0]


def decimals_and_large(prompts, completions, **columns):
    return [decimal.Decimal("0.5"), 2**70, 1][: len(completions)]


def numpy_numbers(prompts, completions, **columns):
    import numpy

    return [numpy.float32(0.5), numpy.int64(2)]


def no_columns(prompts, completions):
    return [1.0] * len(completions)


def answers(prompts, completions, answer, **columns):
    return [float(c == a) for c, a in zip(completions, answer, strict=True)]


async def later(prompts, completions, **columns):
    await asyncio.sleep(0.01)
    return [float(len(c)) for c in completions]


def chat(prompts, completions, **columns):
    assert prompts[0][-1]["role"] == "user"
    return [float(c[0]["role"] == "assistant" and c[0]["content"] == "hi") for c in completions]


def pid(prompts, completions, **columns):
    return [float(os.getpid()) for _ in completions]


def with_child(prompts, completions, **columns):
    """Starts a process of its own, writes its number to the file named by the prompt, and hangs."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
    pathlib.Path(prompts[0]).write_text(str(child.pid))
    time.sleep(3600)


def chatter(prompts, completions, **columns):
    print("a verifier prints", flush=True)
    return [float(len(sys.stdin.read()))]


def alarmed(prompts, completions, **columns):
    """Uses a signal, as math-verify does by default: that works in a main thread only."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    return [float(threading.current_thread() is threading.main_thread())]


not_callable = 3


# With any arguments: in the place of a verifier's own function


def raises(**anything):
    raise ArithmeticError("broke")


def hangs(**anything):
    time.sleep(3600)


def dies(**anything):
    os._exit(7)


def hogs(**anything):
    return sum(bytearray(64 << 30))


def gives_nan(**anything):
    return math.nan


def gives_infinity(**anything):
    return math.inf


def gives_text(**anything):
    return "1.0"


def gives_nothing(**anything):
    return None


def huge_number(prompts, completions, **columns):
    return [10**400 for _ in completions]


def half_a_character(prompts, completions, **columns):
    return ["\ud800" for _ in completions]


def without_end(prompts, completions, **columns):
    nest = []
    for _ in range(100_000):
        nest = [nest]
    return nest


async def cancelled(prompts, completions, **columns):
    raise asyncio.CancelledError


def hog_once(prompts, completions, **columns):
    """Says whether this process has run out of memory before."""
    global hungry
    if "hog" in completions:
        hungry = True
        return bytearray(64 << 30)
    return [float(hungry)]


hungry = False


def fork_bomb(prompts, completions, **columns):
    """Thirty-two processes, each started by another, each with its number in a file; all of them hang."""
    for _ in range(5):
        os.fork()
    with (pathlib.Path(prompts[0]) / str(os.getpid())).open("w"):
        time.sleep(3600)


# On the wire: what a verifier that was taken over might send in the place of its answer


def _say(data):
    with socket.socket(fileno=os.dup(int(sys.argv[1]))) as pipe:
        pipe.sendall(data)
    time.sleep(3600)


def _message(packed):
    return len(packed).to_bytes(4, "big") + packed


def says_nonsense(prompts, completions, **columns):
    _say(_message(b"\xc1nonsense"))


def says_a_pickle(prompts, completions, **columns):
    _say(_message(b"cos\nsystem\n(S'touch owned'\ntR."))


def says_wrong_types(prompts, completions, **columns):
    _say(_message(msgspec.msgpack.encode({"value": 1.0, "error": 3, "mistake": [], "spent": "no"})))


def says_a_list(prompts, completions, **columns):
    _say(_message(msgspec.msgpack.encode([1.0, None, None])))


def says_a_lot(prompts, completions, **columns):
    _say(b"\xff\xff\xff\xff" + b"x" * 1000)


def says_too_deep(prompts, completions, **columns):
    _say(_message(b"\x81\xa5value" + b"\x91" * 100_000 + b"\xc0"))


def says_half(prompts, completions, **columns):
    with socket.socket(fileno=os.dup(int(sys.argv[1]))) as pipe:
        pipe.sendall(b"\x00\x00\x00\xffabc")
    os._exit(0)


def numpy_booleans(prompts, completions, **columns):
    import numpy

    return [numpy.bool_(c == "a") for c in completions]


def numpy_array(prompts, completions, **columns):
    import numpy

    return numpy.array([c == "a" for c in completions])


def numpy_scalars_of_no_dimension(prompts, completions, **columns):
    import numpy

    return [numpy.array(float(c == "a")) for c in completions]


def ends(prompts, completions, finish, **columns):
    return [float(f == "stop") for f in finish]


ODD = {
    "large": 10**30,
    "nested": {"a": [-(2**70), b"\xff"]},
    "when": datetime.datetime(2020, 1, 2, 3, 4, 5, 6, tzinfo=datetime.UTC),
    "price": decimal.Decimal("1.10"),
    "pairs": [("a", 1)],
}
"""Columns that msgpack has no form of its own for."""


def odd_columns(prompts, completions, **columns):
    return [float(columns == {name: [value] for name, value in ODD.items()})]


async def of_trl(prompts, completions, completion_ids, trainer_state, log_extra=None, log_metric=None, **columns):
    await asyncio.sleep(0)
    log_extra("length", [len(ids) for ids in completion_ids])
    log_extra("read", [c.upper() for c in completions])
    for share in (0.25, 0.75):
        log_metric("share", share)
    left = trainer_state.max_steps - trainer_state.global_step
    return [float(left * len(ids)) for ids in completion_ids]


def too_few_extras(prompts, completions, log_extra, **columns):
    log_extra("read", completions[:1])
    return [0.0] * len(completions)


def logs_an_object(prompts, completions, log_extra, **columns):
    log_extra("read", [object() for _ in completions])
    return [1.0 for _ in completions]


def logs_arrays(prompts, completions, log_extra, **columns):
    import numpy

    log_extra("read", [numpy.arange(2) for _ in completions])
    return [1.0 for _ in completions]


def of_environments(environments, **columns):
    return [e.reward + e.asked for e in environments]


async def of_environments_later(environments, prompts, completions, answer=None):
    await asyncio.sleep(0)
    return [e.reward + e.asked for e in environments]


def client_of_environments(environments, **columns):
    return [float(bool(e.client)) for e in environments]
