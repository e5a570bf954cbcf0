"""vLLM's CPU build as a script for an interpreter that has it; it needs nothing of steelyard.

The first line on standard input names the model and the work; each further line asks for one generation. Each answer is
a line of JSON on standard output, seconds and the completions' lengths; what vLLM itself prints is not.
"""

import json
import sys
import time


def main() -> None:
    """Serve until standard input ends."""
    from vllm import LLM, SamplingParams  # pyright: ignore[reportMissingImports]

    asked = json.loads(sys.stdin.readline())
    longest = len(asked["prompts"][0]) + asked["new"]
    llm = LLM(
        asked["model"],
        dtype="float32",
        enforce_eager=True,
        max_model_len=longest,
        max_num_seqs=asked["rows"],
        enable_prefix_caching=True,
        disable_log_stats=True,
    )
    params = SamplingParams(temperature=1.0, top_p=1.0, top_k=-1, max_tokens=asked["new"], detokenize=False)
    prompts = [{"prompt_token_ids": prompt} for prompt in asked["prompts"]]
    tell({"ready": True})
    for _ in sys.stdin:
        began = time.perf_counter()
        found = llm.generate(prompts, params, use_tqdm=False)
        tell({"seconds": time.perf_counter() - began, "lengths": [len(f.outputs[0].token_ids) for f in found]})


def tell(answer: dict[str, object]) -> None:
    """Write an answer."""
    print(json.dumps({"vllm": True, **answer}), flush=True)


if __name__ == "__main__":
    main()
