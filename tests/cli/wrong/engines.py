"""A server of vLLM that is not named rightly, is not there, or does not do what it is asked.

Servers that are there and of the wrong kind: `tests/runtime/test_engines.py`.
"""

from cli.wrong.entry import Wrong

ROWS = "train rows --model llama --path good.jsonl --output-dir new"
URL = f"{ROWS} --engine vllm --vllm.url http://127.0.0.1:9"

SERVERS = [
    Wrong(f"{ROWS} --engine vllm", "--engine: is vllm, and names no server; give --vllm.python PATH"),
    Wrong(f"{ROWS} --engine vlm", "--engine: is 'vlm'; write own, vllm, or module:Class for an engine of yours"),
    Wrong(f"{ROWS} --engine nothing:Engine", "--engine: nothing:Engine cannot be loaded (ModuleNotFoundError: "),
    Wrong(f"{ROWS} --engine shutil:get_archive_formats", "--engine: shutil:get_archive_formats is not made with a po"),
    Wrong(f"{ROWS} --engine mine:Engine --in-flight", "--in-flight: is set to what only the engines of this package"),
    Wrong(f"{ROWS} --engine mine:E --vllm.python /bin/true", "--vllm.python: is given, but --engine is mine:E; add"),
    Wrong(f"{ROWS} --vllm.url http://127.0.0.1:9", "--vllm.url: is given, but --engine is own; add --engine vllm"),
    Wrong(f"{ROWS} --vllm.python /bin/true", "--vllm.python: is given, but --engine is own"),
    Wrong(f"{URL} --vllm.python /bin/true", "--vllm.python: is given, and so is --vllm.url"),
    Wrong(f"{URL} --runtime inline", "--runtime: is set to what a vLLM server does not do; leave it out"),
    Wrong(f"{URL} --in-flight", "--in-flight: is set to what a vLLM server does not do"),
    Wrong(f"{URL} --search.head int8", "--search.head: is set to what a vLLM server does not do"),
    Wrong(f"{URL} --search-temperature inf", "--search-temperature: is set to what a vLLM server does not do"),
    Wrong(f"{URL} --num-searchers 2", "--num-searchers: is 2, but one server has weights of one searcher"),
    Wrong(f"{URL} --vllm.lora merged", "--vllm.lora: is merged, but no adapters go to a vLLM server; leave it out"),
    Wrong(f"{ROWS} --lora-rank 2 --vllm.lora merged", "--vllm.lora: is merged, but no adapters go to a vLLM server"),
    Wrong(f"{URL} --lora-rank 513", "--lora-rank: is 513, and vLLM takes adapters up to 512; use less, or add"),
    Wrong(f"{URL} --vllm.deadline 0", "vllm.deadline: is 0"),
    Wrong(f"{URL} --vllm.start-deadline 240", "--vllm.start-deadline: is 240, but the learner waits for 240 s"),
    Wrong(f"{ROWS} --engine vllm --vllm.url vllm", "--vllm.url: 'vllm' is no address of a server; write http://127"),
    Wrong(f"{ROWS} --engine vllm --vllm.url http://10.0.0.1:80", "--vllm.url: 10.0.0.1 is not this machine; start the"),
    Wrong(URL, "--vllm.url: http://127.0.0.1:9 cannot be reached, or went away during /version (Connection refused)"),
    Wrong(f"{ROWS} --engine vllm --vllm.url unix:nowhere", "--vllm.url: unix:nowhere cannot be reached", shell=True),
    Wrong(f"{ROWS} --engine vllm --vllm.python /nowhere/python", "--vllm.python: '/nowhere/python' cannot be run (No"),
    Wrong(f"{ROWS} --engine vllm --vllm.python /bin/false", "--vllm.python: '/bin/false' has no vLLM; name the interp"),
    Wrong(f"{ROWS} --engine vllm --vllm.python /bin/true", "--vllm.python: it does not say its version; use vLLM 0.32"),
]  # fmt: skip

KINDS = {"servers of engines": SERVERS}
