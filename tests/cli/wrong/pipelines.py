"""Pipelines: files, settings and stages that are wrong, and directories that are none."""

from cli.wrong.entry import Wrong, write

THREE = "train tulu3 --model llama --sft good.jsonl --pairs pairs.jsonl --rows good.jsonl --output-dir new"
THREE += " --sft.max-completion-length 4 --dpo.max-completion-length 4 --rlvr.max-completion-length 4"
THREE += " --rlvr.runtime inline"

ROUNDS = "train llama3 --model llama --pairs pairs.jsonl --prompts good.jsonl --sft good.jsonl --output-dir new"
ROUNDS += " --rounds 2 --reward.held-out-share 0.4 --sampling.max-completion-length 4"
ROUNDS += " --sft.max-completion-length 4 --dpo.max-completion-length 4"

PIPELINES = [
    Wrong("train tulu3", "--model: is missing"),
    Wrong("train tulu3 --model llama", "--sft: is missing; name a .jsonl or .parquet file"),
    Wrong(f"{THREE} --sft nowhere.jsonl", "nowhere.jsonl: there is no such file"),
    Wrong(f"{THREE} --sft good.jsonl", "--sft: names good.jsonl twice"),
    Wrong(f"{THREE} --rows more.jsonl=2", "--rows: the share of more.jsonl is 2; use more than 0"),
    Wrong(f"{THREE} --pairs good.jsonl", "there is no column 'chosen'"),
    Wrong(f"{THREE} --pairs good.jsonl --dry-run", "good.jsonl, line "),
    Wrong(f"{THREE} --sft.colour red", "unknown option --sft.colour"),
    Wrong(f"{THREE} --colour red", "unknown option --colour"),
    Wrong(f"{THREE} --sft.learning-rate fast", "--sft.learning-rate: is 'fast'"),
    Wrong(f"{THREE} --dpo.batch-size 0", "--dpo.batch-size: is 0"),
    Wrong(f"{THREE} --dpo.beta 0", "dpo.beta: is 0.0; use more than 0"),
    Wrong(f"{THREE} --sft.model llama", "--sft.model: is set for one stage, and belongs to the pipeline; use --model"),
    Wrong(f"{THREE} --rlvr.reward rewards.py:right", "--rlvr.reward: is set for one stage"),
    Wrong(f"{THREE} --rlvr.path good.jsonl", "--rlvr.path: is set for one stage"),
    Wrong(f"{THREE} --reward rewards.py:absent", "rewards.py"),
    Wrong(f"{THREE} --sft.max-completion-length 64", "--sft good.jsonl: no row fits a context of 64 tokens; lower"),
    Wrong(f"{THREE} --max-overlap 2", "--max-overlap: is 2.0"),
    Wrong(f"{THREE} --sft.held-out good.jsonl", "--sft: every row overlaps with what is held out"),
    Wrong(f"{THREE} --output-dir full", "full: is not empty"),
    Wrong(f"{THREE} --dry-run --output-dir full", "full: is not empty"),
    Wrong(THREE, "good.jsonl, line 2: there is no answer",
          write("good.jsonl", "\n".join(f'{{"prompt": "{n}+1=", "answer": {n or "null"}}}' for n in (1, 0, 2, 3, 4)))),
    Wrong("train llama3 --model llama", "--pairs: is missing; name a .jsonl or .parquet file"),
    Wrong(f"{ROUNDS} --prompts nowhere.jsonl", "nowhere.jsonl: there is no such file"),
    Wrong(f"{ROUNDS} --rounds 0", "--rounds: is 0"),
    Wrong(f"{ROUNDS} --rounds 99", "--pairs: no row is left for part "),
    Wrong(f"{ROUNDS} --sampling.judge rewards.py:right", "--sampling.judge: is set, and the pipeline fills it"),
    Wrong(f"{ROUNDS} --sampling.generator llama", "--sampling.generator: is set, and the pipeline fills it"),
    Wrong(f"{ROUNDS} --sampling.rows good.jsonl", "--sampling.rows: is set for one stage, and belongs to the pipeline"),
    Wrong(f"{ROUNDS} --sampling.constraint guard:nowhere", "guard:nowhere: there is no guard"),
    Wrong(f"{ROUNDS} --compared.judge nowhere.py:f", "--compared.judge: there is no file nowhere.py"),
    Wrong(f"{ROUNDS} --compared.judge reward-model:./nowhere --dry-run", "no such directory"),
    Wrong(f"{ROUNDS} --sft.chat", "--sft.chat: is set for one stage, and belongs to the pipeline"),
    Wrong(f"{ROUNDS} --dpo.nll-weight -1", "--dpo.nll-weight: is -1.0"),
    Wrong(f"{ROUNDS} --reward.model llama", "--reward.model: is set for one stage"),
    Wrong(f"{ROUNDS} --pairs good.jsonl --dry-run", "there is no column 'chosen'"),
    Wrong("train --resume pipe", "pipe/pipeline.json: is no pipeline.json", write("pipe/pipeline.json", "{")),
    Wrong("train --resume pipe --max-steps 3", "unexpected --max-steps 3", write("pipe/pipeline.json", "{}")),
    Wrong("report pipe", "pipe/pipeline.json: is no pipeline.json", write("pipe/pipeline.json", "[]")),
]  # fmt: skip
KINDS = {"pipelines": PIPELINES}
