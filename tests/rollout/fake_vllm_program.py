"""Stands for an interpreter with vLLM: called as one, it listens where it is told and starts a child, or fails.

Its environment says how it behaves: FAKE_VLLM is well, late or broken; FAKE_VLLM_NOTES is a file for what it saw.
"""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"


def main(words: list[str]) -> None:
    behaviour = os.environ.get("FAKE_VLLM", "well")
    print("a line before", flush=True)
    if behaviour == "broken":
        print("(EngineCore) ERROR: ValueError: Head size 24 is not supported by CPU_ATTN.", flush=True)
        print("RuntimeError: Engine core initialization failed.", flush=True)
        sys.exit(1)
    child = subprocess.Popen(["sleep", "600"])
    seen = {
        "words": words,
        "environment": dict(os.environ),
        "pid": os.getpid(),
        "child": child.pid,
        "cwd": str(Path.cwd()),
    }
    Path(os.environ["FAKE_VLLM_NOTES"]).write_text(json.dumps(seen))
    if behaviour == "late":
        time.sleep(600)
    place = words[words.index("--uds") + 1]
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(place)
    listener.listen()
    while True:
        connection, _ = listener.accept()
        connection.recv(65536)
        connection.sendall(ANSWER)
        connection.close()


if __name__ == "__main__":
    main(sys.argv[1:])
