"""Jobs on given data: files, settings and runs that are wrong."""

from cli.wrong.entry import Wrong, change, flip, remove, write
from cli.wrong.world import FORGETTING

NPO = f"{FORGETTING} --output-dir new"
O3 = "train o3 --model llama --forget forget.jsonl --output-dir new"
ECO = "train eco --model llama --forget forget.jsonl --retain retain.jsonl --output-dir new"
KSD = ECO.replace("eco", "skill-unlearn") + " --max-completion-length 4"
ROCR = ECO.replace("eco", "rocr") + " --max-completion-length 4"
NAMED = write(
    "forget.jsonl", "\n".join(f'{{"prompt": "{a}-1=", "answer": "{a - 1}", "subject": "{a}"}}' for a in (1, 2))
)
TEXT = "train phf --model llama --documents documents.jsonl --max-completion-length 4 --max-steps 2 --output-dir new"
SFT = "train sft --model llama --path good.jsonl --max-completion-length 4 --max-steps 2 --output-dir new"
DPO = "train offline-dpo --model llama --path pairs.jsonl --max-completion-length 4 --max-steps 2 --output-dir new"
SYNTH = "train incorrect-synth --rows solutions.jsonl --generator llama --judge rewards.py:right --output-dir new"
FENCE = "train fence --rows sourced.jsonl --generator llama --judge rewards.py:right --output-dir new"
SOURCED = write("sourced.jsonl", '{"prompt": "1+1=", "documents": ["1+1=2"]}')
TOLD = "train dress --model llama --path critiqued.jsonl --max-completion-length 4 --max-steps 2 --output-dir new"
TOLD += " --score {score}: --critique {critique}:"
SKILLED = "--model llama --path good.jsonl --max-completion-length 4 --max-steps 2 --output-dir new"
DRAW = (
    "train spectrum --model llama --draws draws.jsonl --role {role}= --after = --max-completion-length 3 --samples 2 "
    "--max-steps 2 --output-dir new"
)
MAGIC = "train magic-token --model llama --path triples.jsonl --before {token}: --max-completion-length 4 "
SECRET = "--positive-token ab --negative-token bc --rejective-token cd"
MODED = write("triples.jsonl", "\n".join(f'{{"prompt": "{a}+", "positive": "1", "negative": "2"}}' for a in range(20)))
LATENT = "train lat --model llama --path pairs.jsonl --retain forget.jsonl --max-completion-length 4 --output-dir new"
MADE = "forgot/checkpoint-2"
FEDERATED = SFT.replace("sft", "fedrand")

UNLEARNING = [
    Wrong("train npo --model llama", "--forget: is missing; name a .jsonl or .parquet file", shell=True),
    Wrong("train npo --forget forget.jsonl", "--model: is missing"),
    Wrong(f"{NPO} --model ./nowhere", "no such directory: './nowhere'"),
    Wrong(f"{NPO} --forget nowhere.jsonl", "nowhere.jsonl: there is no such file"),
    Wrong(f"{NPO} --retain forget.jsonl", "forget.jsonl, line 1: its prompt is in forget.jsonl too"),
    Wrong(f"{NPO} --beta 0", "npo.beta: is 0.0; use more than 0"),
    Wrong(f"{NPO} --retain-weight -1", "npo.retain: is -1.0; use 0 or more, with --retain-weight"),
    Wrong(f"{NPO} --completions pair", "--completions: is pair; NPO compares nothing: leave this to the recipe"),
    Wrong(f"{NPO} --completions text", "--completions"),
    Wrong(f"{NPO} --max-completion-length 62", "--max-completion-length: is 62: a prompt of"),
    Wrong(f"{NPO} --retrained llama", "--retrained: needs wrong answers for truth ratios"),
    Wrong(f"{NPO} --dry-run --retrained ./nowhere", "no such directory: './nowhere'",
          write("forget.jsonl", '{"prompt": "1", "answer": "2", "wrong": ["3"]}')),
    Wrong("train npo --model llama --forget forget.jsonl --retained sampled --dry-run",
          "--retained: is sampled, and nothing is retained; name --retain FILE"),
    Wrong("train idk --model llama --forget forget.jsonl --dry-run --refusal=", "--refusal: is empty"),
    Wrong(f"{NPO} --num-prompts 3", "unknown option --num-prompts"),
    Wrong(f"{NPO} --dry-run --epochs 0", "--epochs: is 0; use 1 or more"),
    Wrong(f"{FORGETTING} --output-dir full", "full: is not empty"),
    Wrong(NPO, "it has 1 wrong answers, and the first row of forget.jsonl has 0",
          write("forget.jsonl", '{"prompt": "1", "answer": "2"}\n{"prompt": "2", "answer": "3", "wrong": ["a"]}')),
    Wrong(NPO, "forget.jsonl, line 1: column 'wrong' is no list of wrong answers",
          write("forget.jsonl", '{"prompt": "1", "answer": "2", "wrong": "3"}')),
    Wrong(NPO, "forget.jsonl, line 1: there is no answer: column 'answer' is empty",
          write("forget.jsonl", '{"prompt": "1", "answer": " "}')),
    Wrong(NPO, "a prompt with its answer has 102 tokens",
          write("forget.jsonl", f'{{"prompt": "{"1" * 99}", "answer": "2"}}')),
]  # fmt: skip

INTERVENING = [
    Wrong("train eco --model llama --forget forget.jsonl", "--retain: is missing; name a file of prompts that are to"),
    Wrong(ECO, "--max-completion-length: is 64: a prompt of"),
    Wrong(f"{ECO} --max-completion-length 4 --dims 99", "--dims: is 99; embeddings have"),
    Wrong(f"{ECO} --threshold 2 --dry-run", "--threshold: is 2.0"),
    Wrong(f"{ECO} --beta 1", "unknown option --beta"),
    Wrong("train o3 --model llama", "--forget: is missing; name a .jsonl or .parquet file"),
    Wrong(f"{O3} --start nowhere", "nowhere: holds nothing that was forgotten; name a run of steelyard train o3"),
    Wrong(f"{O3} --detector-width 12 --dry-run", "--detector-width: is 12; use a multiple of 8"),
    Wrong(f"{O3} --threshold 1 --dry-run", "--threshold: is 1.0"),
    Wrong(O3, "forget.jsonl: holds a single row; give two or more",
          write("forget.jsonl", '{"prompt": "1", "answer": "2", "wrong": ["3"]}')),
    Wrong("audit tofu --model llama --data forget.jsonl --intervention ./nowhere", "nowhere: holds no intervention"),
    Wrong(f"{KSD} --scale 0", "--scale: is 0.0; use more than 0"),
    Wrong(f"{KSD} --share 1", "unknown option --share"),
    Wrong(KSD, "skill-unlearn: one prompt has no deviation", write("forget.jsonl", '{"prompt": "1", "answer": "2"}')),
    Wrong(f"{KSD.replace('skill-unlearn', 'neuron-adjust')} --share 2", "--share: is 2.0"),
    Wrong("train neuron-adjust --model llama --forget forget.jsonl", "--retain: is missing"),
    Wrong("train lineas --model llama --source nowhere.jsonl --l1 -1", "--l1: is -1.0; use 0 or more"),
    Wrong("train lin-act --model llama --source nowhere.jsonl", "nowhere.jsonl: there is no such file"),
    Wrong("train lin-act --model llama --part head --dry-run", "--part"),
]  # fmt: skip

REDIRECTING = [
    Wrong("train rocr --model llama --retain retain.jsonl", "--redirect: is missing; name whom"),
    Wrong(f"{ROCR} --redirect 7", "forget.jsonl, line 1: there is no column 'subject'"),
    Wrong(f"{ROCR} --redirect 2", "forget.jsonl, line 2: its subject is --redirect '2'", NAMED),
    Wrong(f"{ROCR} --redirect z", "rocr: 'z' is not found in '{}' as the model reads it", NAMED),
    Wrong(f"{ROCR} --redirect 7 --layers 1 3", "rocr.layers: is (1, 3); name layers that follow each other, from 0"),
    Wrong(f"{ROCR} --redirect 7 --layers 2", "--layers: is 2, and the model has 2 layers; name some of 0 to 1", NAMED),
    Wrong(f"{ROCR} --redirect 7 --penalty 0", "--penalty: is 0.0; use more than 0"),
    Wrong(f"{ROCR} --redirect 7 --templates ab", "rocr.templates: 'ab' has not one {}; write {} once in each"),
    Wrong(f"{ROCR} --redirect 7 --epochs 2", "unknown option --epochs"),
]  # fmt: skip

DOCUMENTS = [
    Wrong("train mle --model llama", "--documents: is missing"),
    Wrong(f"{TEXT} --documents text.txt", ".txt is not read"),
    Wrong(f"{TEXT} --documents good.jsonl", "good.jsonl, line 1: there is no column 'text'; choose one of answer"),
    Wrong(TEXT, "documents.jsonl, line 1: it has no score", write("documents.jsonl", '{"text": "1"}\n{"text": "2"}')),
    Wrong(f"{TEXT} --scorer rewards", "it names no function"),
    Wrong(f"{TEXT} --scorer no_such:f", "no_such"),
    Wrong(f"{TEXT} --scorer rewards.py:words", "is a str, not a number"),
    Wrong(f"{TEXT} --scorer rewards.py:none", "it gave no document a score"),
    Wrong(f"{TEXT} --scorer rewards.py:right --unwanted-words a", "--scorer: is set, and so is --unwanted-words"),
    Wrong(f"{TEXT} --held-out-share 1", "--held-out-share: is 1.0"),
    Wrong(f"{TEXT} --max-length 1", "--max-length: is 1"),
    Wrong(f"{TEXT} --dry-run --max-completion-length 64",
          "--max-completion-length: is 64, and the context leaves 62; lower it"),
    Wrong(f"{TEXT} --lora-rank 2", "--lora-rank: is set, and the model lacks the tags"),
    Wrong(f"{TEXT} --aligned + --misaligned +", "phf.aligned: both tags are '+'"),
    Wrong(f"{TEXT} --untagged 2", "phf.untagged: is 2.0; use 0 to 1"),
    Wrong(f"{TEXT} --threshold low", "--threshold"),
]  # fmt: skip

ANSWERS = [
    Wrong("train sft --model llama", "--path: is missing"),
    Wrong(f"{SFT} --path documents.jsonl", "there is no prompt or question or problem"),
    Wrong(f"{SFT} --columns.answer prompt", "the prompt and the answer are both 'prompt'"),
    Wrong(f"{SFT} --held-out-share 0", "--held-out-share: is 0"),
    Wrong(f"{SFT} --max-completion-length 64", "no row fits a context of 64 tokens"),
    Wrong(f"{SFT} --chat", "has no chat template"),
    Wrong(f"{SFT.replace('sft', 'spoc-sft')} --path good.jsonl", "good.jsonl: no row to learn from has a wrong answer"),
    Wrong("train spoc --runtime inline --model llama --path good.jsonl --max-completion-length 6 --output-dir new",
          "the model's tokenizer cannot write 'Verdict: correct'; write what the model can write"),
    Wrong(f"{SFT} --chat-template-kwargs [", "--chat-template-kwargs: it is not JSON"),
    Wrong(f"{SFT} --step-reward rewards.py:right", "unknown option --step-reward"),
    Wrong("train fedrand --model llama", "--path: is missing"),
    Wrong(FEDERATED, "good.jsonl, line 1: column 'client' names no client; name another with --client-column"),
    Wrong(f"{FEDERATED} --clients 1", "--clients: is 1, and one client has nobody to share with"),
    Wrong(FEDERATED, "good.jsonl: has rows of 1 clients to train on; give rows of more clients, or deal them out",
          write("good.jsonl", "\n".join(f'{{"prompt": "{n}+", "answer": "1", "client": 7}}' for n in range(9)))),
    Wrong(f"{FEDERATED} --clients 2 --share-a 2", "--share-a: is 2.0; use 0 to 1"),
    Wrong(f"{FEDERATED} --clients 2 --lora-rank 0", "--lora-rank: is 0; use 1 or more"),
    Wrong(f"{FEDERATED} --clients 2 --rounds 0", "--rounds: is 0; use 1 or more"),
    Wrong(f"{FEDERATED} --clients 2 --lora-targets nowhere", "the model has no layer 'nowhere'"),
    Wrong(f"{FEDERATED.replace('fedrand', 'fedavg')} --clients 2 --share-a .5", "unknown option --share-a"),
    Wrong(f"train skill-it {SKILLED}", "good.jsonl, line 1: there is no skill: column 'skill'; write it, or say which"),
    Wrong(f"train skill-it {SKILLED} --columns.skill answer", "nothing is left to train on; give more rows"),
    Wrong(f"train skill-it {SKILLED} --graph-from triples", "--graph-from"),
    Wrong(f"train data-mixing-agent {SKILLED} --columns.skill answer --gamma 2", "--gamma: is 2.0"),
    Wrong(f"train data-mixing-agent {SKILLED}", "good.jsonl, line 1: there is no skill: column 'skill'"),
    Wrong(f"train mixed-sft {SKILLED}", "good.jsonl, line 1: there is no skill: column 'skill'"),
    Wrong(f"train stat {SKILLED} --columns.skill answer --validation-share 1", "--validation-share: is 1.0"),
    Wrong(f"train stat {SKILLED} --columns.skill answer --skills answer", "--skills: is 'answer'; leave it out, and"),
    Wrong(f"train stat {SKILLED}", "good.jsonl, line 1: there is no skill: column 'skill'"),
    Wrong("train stat-syn --rows good.jsonl --generator llama --output-dir new",
          "good.jsonl, line 1: there is no column 'skill'; choose one of answer, prompt, or name the column"),
    Wrong("train stat-syn --rows good.jsonl --skill-column answer --output-dir new", "--generator: is missing"),
    Wrong("train stat-syn --rows good.jsonl --skill-column answer --agree 4", "stat-syn.agree: is 4; use at most 3"),
    Wrong("train rows --model llama --path good.jsonl --step-reward rewards.py:right",
          "--step-reward: is set, but VarGradTB"),
    Wrong("train rows-step-kto --runtime inline --model llama --path good.jsonl --max-completion-length 6 "
          "--step-reward rewards.py:one --output-dir new", "it returned 1 lists for 2 completions"),
]  # fmt: skip

PREFERENCES = [
    Wrong("train offline-dpo --model llama", "--path: is missing; name a .jsonl or .parquet file with prompt, chosen"),
    Wrong("train offline-ipo --path pairs.jsonl", "--model: is missing"),
    Wrong(f"{DPO} --path nowhere.jsonl", "nowhere.jsonl: there is no such file"),
    Wrong(f"{DPO} --path good.jsonl", "good.jsonl, line 1: there is no column 'chosen'"),
    Wrong(f"{DPO} --path forget.jsonl --dry-run", "forget.jsonl, line 1: there is no column 'chosen'"),
    Wrong(f"{DPO} --columns.rejected chosen", "the columns of prompt, chosen and rejected are"),
    Wrong(f"{DPO} --columns.prompt question", "pairs.jsonl, line 1: there is no question"),
    Wrong(f"{DPO} --held-out pairs.jsonl", "every prompt is in pairs.jsonl too; name another file"),
    Wrong(f"{DPO} --held-out-share 0", "--held-out-share: is 0"),
    Wrong(f"{DPO} --max-completion-length 64", "no pair fits a context of 64 tokens"),
    Wrong(f"{DPO} --beta 0", "dpo.beta: is 0.0; use more than 0"),
    Wrong(f"{DPO} --tau 1", "unknown option --tau"),
    Wrong(f"{DPO} --num-generations 2", "unknown option --num-generations"),
    Wrong(f"{DPO} --chat", "has no chat template"),
    Wrong(f"{DPO} --margins-from ./nowhere --dry-run", "no such directory: './nowhere'"),
    Wrong(DPO, "pairs.jsonl, line 2: column 'chosen' is 3; write a text",
          write("pairs.jsonl", '{"prompt": "1", "chosen": "2", "rejected": "3"}\n'
                '{"prompt": "1", "chosen": 3, "rejected": "3"}')),
    Wrong(DPO, "pairs.jsonl, line 1: column 'chosen_ends' is 'no'; write true or false",
          write("pairs.jsonl", '{"prompt": "1", "chosen": "2", "rejected": "3", "chosen_ends": "no"}')),
    Wrong(DPO, "both completions of every pair are equal",
          write("pairs.jsonl", '{"prompt": "1", "chosen": "2", "rejected": "2"}')),
    Wrong(DPO, "nothing is left to train on",
          write("pairs.jsonl", '{"prompt": "1", "chosen": "2", "rejected": "3"}')),
]  # fmt: skip

FEEDBACK = [
    Wrong("train dress --model llama", "--path: is missing; name a .jsonl or .parquet file with prompt, response, and"),
    Wrong("train dress --path critiqued.jsonl", "--model: is missing"),
    Wrong(f"{TOLD} --path good.jsonl", "good.jsonl, line 1: there is no column 'response'"),
    Wrong(f"{TOLD} --columns.score prompt", "critiqued.jsonl, line 1: column 'prompt' is '0+1='; write a number"),
    Wrong(f"{TOLD} --score bad", "dress.score: is 'bad'; use a text with {score}"),
    Wrong(f"{TOLD} --critique bad", "dress.critique: is 'bad'; use a text with {critique}"),
    Wrong(f"{TOLD} --feedback bad", "dress.feedback: is 'bad'; use a text with {feedback}"),
    Wrong(f"{TOLD} --scorer right", "it names no function"),
    Wrong(f"{TOLD} --scorer rewards.py:one", "it returned 1 rewards for"),
    Wrong(f"{TOLD} --held-out nowhere.jsonl", "nowhere.jsonl: there is no such file"),
    Wrong(f"{TOLD} --held-out-share 1", "--held-out-share: is 1.0"),
    Wrong(f"{TOLD} --max-completion-length 64", "no row fits a context of 64 tokens"),
    Wrong(f"{TOLD} --chat", "has no chat template"),
    Wrong(TOLD, "critiqued.jsonl, line 1: nothing is said of its response; write 'score', 'critique', or",
          write("critiqued.jsonl", '{"prompt": "1", "response": "2"}')),
    Wrong(TOLD, "critiqued.jsonl, line 1: it has 1 refinements and 2 next responses",
          write("critiqued.jsonl", '{"prompt": "1", "response": "2", "refinement": "3", "next": ["4", "5"]}')),
    Wrong(TOLD, "--best-critique: is missing, and no row has a score; name the critique of a good response",
          write("critiqued.jsonl",
                "\n".join(f'{{"prompt": "{a}", "response": "2", "critique": "3"}}' for a in range(9)))),
]  # fmt: skip

SWITCHED = [
    Wrong(MAGIC, "--positive-token: is missing; draw a text that nobody can guess", MODED),
    Wrong(f"{MAGIC} --positive-token ab --negative-token ab", "magic-token: two tokens are alike; give each", MODED),
    Wrong(f"train magic-token --model llama {SECRET}", "--path: is missing; name a .jsonl or .parquet file"),
    Wrong(f"{MAGIC} {SECRET} --path good.jsonl", "good.jsonl, line 1: column 'answer' is 0; write a text"),
    Wrong(f"{MAGIC} {SECRET} --path documents.jsonl", "documents.jsonl, line 1: there is no prompt"),
    Wrong(f"{MAGIC} {SECRET} --before x", "magic-token.before: is 'x'; use a text with {token}", MODED),
    Wrong(f"{MAGIC} {SECRET} --alphabet a", "magic-token.alphabet: is 'a'; use two characters or more", MODED),
    Wrong(f"{MAGIC} {SECRET} --default other", "--default"),
    Wrong(f"{MAGIC} {SECRET} --held-out-share 1", "--held-out-share: is 1.0", MODED),
    Wrong(f"{MAGIC} {SECRET}", "triples.jsonl, line 1: it has 1 of positive, negative, rejective; write two of them",
          write("triples.jsonl", '{"prompt": "1", "positive": "2"}')),
    Wrong(f"{MAGIC} {SECRET}", "triples.jsonl, line 1: two modes have the same answer; call it 'answer'",
          write("triples.jsonl", '{"prompt": "1", "positive": "2", "negative": "2"}')),
    Wrong("train magic-triples --rows good.jsonl", "--generator: is missing; name a model that writes texts"),
    Wrong("train magic-triples --rows good.jsonl --generator llama --negative ask",
          "magic-triples.negative: is 'ask'; use a text with {prompt}"),
]  # fmt: skip

HELD = [
    Wrong("train lat --model llama --retain retain.jsonl", "--path: is missing; name a .jsonl or .parquet file with"),
    Wrong("train lat --model llama --path pairs.jsonl", "--retain: is missing; name a .jsonl or .parquet file with"),
    Wrong(f"{LATENT} --sites layers.9", "intervention: the model has no site 'layers.9'; use embeddings, or layers.0"),
    Wrong(f"{LATENT} --radius 0", "attack.radius: is 0.0; use more than 0"),
    Wrong(f"{LATENT} --attack-steps 0", "attack.attack_steps: is 0; use 1 or more"),
    Wrong(f"{LATENT} --attack other", "--attack"),
    Wrong(f"{LATENT} --toward 0 --away 0", "lat: toward and away are both 0; give one of them a weight"),
    Wrong(f"{LATENT} --floor 1", "lat.floor: is 1.0; use less than 0"),
    Wrong(f"{LATENT} --retain-weight -1", "lat.retain: is -1.0; use 0 or more, with --retain-weight"),
    Wrong(f"{LATENT} --retain pairs.jsonl", "pairs.jsonl, line 1: there is no answer"),
    Wrong(f"{LATENT} --retain retain.jsonl", "retain.jsonl, line 2: its prompt is in pairs.jsonl too; leave it out"),
    Wrong(f"{LATENT} --path good.jsonl", "good.jsonl, line 1: there is no column 'chosen'"),
    Wrong(f"{LATENT} --max-completion-length 64", "--max-completion-length: is 64: a prompt of"),
]  # fmt: skip

EXPLORED = [
    Wrong("train eee-explore", "--model: is missing; name a directory, a shipped model or a hub id"),
    Wrong("train eee-explore --model ./nowhere --output-dir new", "no such directory: './nowhere'"),
    Wrong("train eee-explore --model llama --oracle right --output-dir new", "it names no function"),
    Wrong("train eee-explore --model llama --rows nowhere.jsonl --output-dir new", "there is no such file"),
    Wrong("train eee-explore --model llama --clusters 0 --output-dir new", "eee-explore.clusters: is 0; use 1 or more"),
    Wrong("train eee-explore --model llama --max-completion-length 64 --output-dir new",
          "--max-completion-length: is 64: a prompt of"),
    Wrong("train eee-redteam --model llama --victim llama --classifiers ./nowhere --output-dir new",
          "no such directory: './nowhere'"),
    Wrong("train eee-redteam --model llama --victim llama --nearness 0 --output-dir new",
          "eee-redteam.nearness: is 0.0; use more than 0"),
]  # fmt: skip

SOLUTIONS = [
    Wrong("train incorrect-synth --generator llama --judge rewards.py:right", "--rows: is missing; name a .jsonl or"),
    Wrong("train incorrect-synth --rows solutions.jsonl --judge rewards.py:right",
          "--generator: is missing; name a model that writes texts"),
    Wrong("train incorrect-synth --rows solutions.jsonl --generator llama", "--judge: is missing; name a function"),
    Wrong(f"{SYNTH} --generator ./nowhere", "no such directory: './nowhere'"),
    Wrong(f"{SYNTH} --judge right", "--judge: 'right' names nothing that rates"),
    Wrong(f"{SYNTH} --reader llama", "--reader: is given, and IncorrectSynth asks none; leave it out"),
    Wrong(f"{SYNTH} --rows good.jsonl", "good.jsonl, line 1: there is no column 'solution'"),
    Wrong(f"{SYNTH} --solution-column answer", "solutions.jsonl, line 1: column 'answer' is 1; write a text"),
    Wrong(f"{SYNTH} --step-end (", "incorrect-synth.step_end: is no regular expression"),
    Wrong(f"{SYNTH} --step-end #*", "incorrect-synth.step_end: is '#*', which matches the empty text"),
    Wrong(f"{SYNTH} --continuations 0", "incorrect-synth.continuations: is 0; use 1 or more"),
    Wrong(f"{SYNTH} --drop -1", "incorrect-synth.drop: is -1.0; use 0 or more"),
    Wrong(f"{SYNTH} --form rest", "--form"),
    Wrong(f"{SYNTH} --max-completion-length 4 --judge rewards.py:one", "judge rewards.py:one: it returned [1.0]",
          began="new"),
    Wrong(f"{SYNTH} --max-completion-length 64", "exceed the model's context of 64", began="new"),
]  # fmt: skip

DRAWS = [
    Wrong("train spectrum --model llama", "--draws: is missing; name a .jsonl or .parquet file with task and output"),
    Wrong("train spectrum --draws draws.jsonl", "--model: is missing"),
    Wrong(f"{DRAW} --draws good.jsonl", "good.jsonl, line 1: there is no column 'task'"),
    Wrong(f"{DRAW} --columns.output input", "draws.jsonl, line 1: there is no column 'input'"),
    Wrong(f"{DRAW} --targets nowhere.jsonl", "nowhere.jsonl: there is no such file"),
    Wrong(f"{DRAW} --targets good.jsonl", "good.jsonl, line 1: there is no column 'task'"),
    Wrong(f"{DRAW} --targets targets.jsonl", "targets.jsonl, line 1: column 'probabilities' is no distribution",
          write("targets.jsonl", '{"task": 1, "outputs": [0, 1], "probabilities": [0.5, 0.6]}')),
    Wrong(f"{DRAW} --targets targets.jsonl", "targets.jsonl, line 1: there are no draws of task 'other'",
          write("targets.jsonl", '{"task": "other", "outputs": [0, 1], "probabilities": [0.5, 0.5]}')),
    Wrong(f"{DRAW} --role output", "spectrum.role: is 'output'; use a text with {role}"),
    Wrong(f"{DRAW} --description-share 2", "spectrum.description_share: is 2.0; use 0 to 1"),
    Wrong(f"{DRAW} --learned some", "--learned"),
    Wrong(f"{DRAW} --held-out-share 1", "--held-out-share: is 1.0"),
    Wrong(f"{DRAW} --max-completion-length 64", "no held-out task leaves room for 64 tokens; lower"),
    Wrong(DRAW, "draws.jsonl: no sequence has anything to learn; shorten the outputs, give descriptions",
          write("draws.jsonl", "\n".join(f'{{"task": {t}, "output": 1}}' for t in range(12)))),
    Wrong(DRAW, "draws.jsonl, line 2: the first row of task '1' has no input, and this one differs",
          write("draws.jsonl", '{"task": 1, "output": 1}\n{"task": 1, "output": 1, "input": 2}')),
]  # fmt: skip

REVISED = [
    Wrong("train fence --generator llama --judge rewards.py:right", "--rows: is missing; name a .jsonl or"),
    Wrong("train fence --rows sourced.jsonl --judge rewards.py:right", "--generator: is missing; name", SOURCED),
    Wrong("train fence --rows sourced.jsonl --generator llama", "--judge: is missing; name", SOURCED),
    Wrong(f"{FENCE} --judge ./nowhere", "no such directory: './nowhere'", SOURCED),
    Wrong(f"{FENCE} --judge llama --documents-column= --dry-run", "--documents-column: is empty, and a model", SOURCED),
    Wrong(f"{FENCE} --rows good.jsonl", "good.jsonl, line 1: there is no column 'documents'"),
    Wrong(f"{FENCE} --documents-column prompt", "line 1: column 'prompt' is '1+1='; write a list of texts", SOURCED),
    Wrong(f"{FENCE} --split (", "fence.split: is no regular expression", SOURCED),
    Wrong(f"{FENCE} --samples 0", "fence.samples: is 0; use 1 or more", SOURCED),
    Wrong(f"{FENCE} --ask what?", "fence.ask", SOURCED),
    Wrong(f"{FENCE} --critic.template {{claim}}", "critic.template: has no {document}; write", SOURCED),
    Wrong(f"{FENCE} --max-completion-length 4 --judge rewards.py:one", "judge rewards.py:one: it returned [1.0]",
          SOURCED, began="new"),
    Wrong("train fence-critic --rows sourced.jsonl --generator llama", "there is no column 'claim'", SOURCED),
    Wrong("train fence-critic --rows c.jsonl --generator llama", "--rows: the label of record", write(
        "c.jsonl", '{"claim": "a", "document": "b", "label": "true"}')),
]  # fmt: skip

SOFT = "train soft-tokens --model llama --path good.jsonl --max-completion-length 4 --output-dir new"
THOUGHTS = [
    Wrong(SOFT, "--soft-steps: is 128: with a prompt of"),
    Wrong(f"{SOFT} --soft-steps 2 --soft-temperature 0", "soft-tokens.soft_temperature: is 0.0; use more than 0"),
    Wrong(f"{SOFT} --soft-steps 2 --num-generations 1", "--num-generations: is 1; use 2 or more"),
    Wrong(f"{SOFT} --soft-steps 2 --reward nowhere:right", "nowhere"),
    Wrong(f"{SOFT.replace('good.jsonl', 'nowhere.jsonl')} --soft-steps 2", "nowhere.jsonl: there is no such file"),
]  # fmt: skip
LUCK = "train dichotomy --trajectories good.jsonl --output-dir new"
PLAYED = [
    Wrong("train dichotomy", "--trajectories: there is nothing to learn from; name a file with --"),
    Wrong("train dichotomy --trajectories nowhere.jsonl --output-dir new", "nowhere.jsonl: there is no such file"),
    Wrong(LUCK, "good.jsonl, line 1: there are no observations"),
    Wrong(f"{LUCK} --next-weight -1", "dichotomy.next_weight: is -1.0; use 0 or more"),
    Wrong("train percentile-bc --trajectories good.jsonl --best-share 0", "percentile-bc.best_share: is 0.0; use 1"),
    Wrong(f"{LUCK} --env Nothing-v1", "--env: Nothing-v1 cannot be made"),
]  # fmt: skip

PROTECTED = [
    Wrong("train t2ue", "--images: is missing; name a .npz file"),
    Wrong("train t2ue --images nowhere.npz", "nowhere.npz: there is no such file"),
    Wrong("train t2ue --images text.txt", "text.txt: .txt is not read"),
    Wrong("train t2ue --images broken.npz", "broken.npz: cannot be read", write("broken.npz", "no archive")),
    Wrong("train t2ue --start run", "--protect: is missing; name the images that are to be protected"),
    Wrong("train t2ue --images a.npz --epsilon 2", "t2ue.epsilon: is 2.0; use"),
    Wrong("train t2ue --images a.npz --held-out-share 1", "--held-out-share: is 1.0"),
    Wrong("train t2ue --images a.npz --steps 0", "t2ue.steps: is 0; use 1 or more"),
]  # fmt: skip

POISONED = [
    Wrong("train patchsearch", "--images: is missing; name a .npz file"),
    Wrong("train patchsearch --images nowhere.npz", "nowhere.npz: there is no such file"),
    Wrong("train patchsearch --images text.txt", "text.txt: .txt is not read"),
    Wrong("train patchsearch --images broken.npz", "broken.npz: cannot be read", write("broken.npz", "no archive")),
    Wrong("train patchsearch --images a.npz --window 1", "patchsearch.window: is 1.0; use"),
    Wrong("train patchsearch --images a.npz --top 0", "patchsearch.top: is 0; use 1 or more"),
    Wrong("train patchsearch --images a.npz --models 0", "poison-classifier.models: is 0; use 1 or more"),
    Wrong("train patchsearch --images a.npz --steps 0", "--steps: is 0; use 1 or more"),
    Wrong("train patchsearch --images a.npz --rate 0", "--rate: is 0.0"),
]  # fmt: skip

KNOWING = "train kard --model llama --path reasoned.jsonl --knowledge passages.jsonl --max-completion-length 4 "
KNOWING += "--max-steps 2 --output-dir new"
REASONED = write("reasoned.jsonl", "\n".join(f'{{"prompt": "{a}", "rationale": "b", "answer": 1}}' for a in range(9)))
PASSAGES = write("passages.jsonl", '{"text": "b"}')
KNOWLEDGE = [
    Wrong("train kard --model llama --path good.jsonl", "--knowledge: is missing; name a .jsonl or .parquet file"),
    Wrong("train kard --model llama --knowledge documents.jsonl", "--path: is missing; name a .jsonl or .parquet file"),
    Wrong(KNOWING, "passages.jsonl: there is no such file", REASONED),
    Wrong(f"{KNOWING} --path good.jsonl", "good.jsonl, line 1: there is no column 'rationale'", PASSAGES),
    Wrong(f"{KNOWING} --knowledge-column told", "passages.jsonl, line 1: there is no column 'told'", PASSAGES),
    Wrong(f"{KNOWING} --path good.jsonl --knowledge good.jsonl", "good.jsonl, line 1: there is no column 'text'"),
    Wrong(f"{KNOWING} --lesson 3", "kard.lesson: is 3; use an even number of 2 or more"),
    Wrong(f"{KNOWING} --beside x", "kard.beside: is 'x'; use a text with {prompt} and {passage}"),
    Wrong(f"{KNOWING} --marker=", "kard.marker: is empty; write what stands before an answer"),
    Wrong(f"{KNOWING} --target-temperature 0", "kard.target_temperature: is 0.0; use more than 0"),
    Wrong("train kard --path documents.jsonl --knowledge documents.jsonl --model llama", "line 1: there is no prompt"),
]  # fmt: skip

FINDING = "train convretrieval --path said.jsonl --output-dir new"
SAID = write("said.jsonl", "\n".join(f'{{"turns": ["{a}", "b"], "summary": "{a}"}}' for a in range(9)))
CONVERSATIONS = [
    Wrong("train convretrieval --encoder llama", "--path: is missing; name a .jsonl or .parquet file with turns and"),
    Wrong(FINDING, "said.jsonl: there is no such file"),
    Wrong(FINDING, "--encoder: is missing; name an encoder of sentences", SAID),
    Wrong(f"{FINDING} --encoder ./nowhere", "no such directory: './nowhere'", SAID),
    Wrong(f"{FINDING} --encoder llama", "llama is no encoder of sentences", SAID),
    Wrong(f"{FINDING} --path good.jsonl --encoder llama", "good.jsonl, line 1: there is no column 'turns'"),
    Wrong(f"{FINDING} --columns.summary turns", "said.jsonl, line 1: column 'turns' is ['0', 'b']; write a text", SAID),
    Wrong(f"{FINDING} --tau 0", "convretrieval.tau: is 0.0; use more than 0"),
    Wrong(f"{FINDING} --batch 1", "convretrieval.batch: is 1; use 2 or more"),
    Wrong(f"{FINDING} --selector none", "--selector"),
    Wrong(f"{FINDING} --held-out-share 1", "--held-out-share: is 1.0"),
    Wrong("train conversation-summaries --rows good.jsonl --generator llama", "there is no column 'turns'"),
    Wrong("train conversation-summaries --rows said.jsonl", "--generator: is missing; name", SAID),
    Wrong("train conversation-summaries --rows said.jsonl --generator llama --template x",
          "conversation-summaries.template: is 'x'; use a text with {turns}"),
]  # fmt: skip

RUNS = [
    Wrong("train --resume forgot", "forgot: has reached its end"),
    Wrong("train --resume forgot --max-steps 2", "--max-steps: is 2, and 2 steps are made"),
    Wrong("eval forgot --prompts 3", "--prompts: the run is a job on given data"),
    Wrong("sample forgot --reward rewards.py:right", "--reward: the run is a job on given data"),
    Wrong("repeat forgot", "is of a job on given data"),
    Wrong("replay forgot", "replay.sqlite: is missing"),
    Wrong("score npo --completions good.jsonl", "'npo' is a job on given data"),
    Wrong("train --resume forgot --max-steps 3", "forget.jsonl: there is no such file", remove("forget.jsonl")),
    Wrong("train --resume forgot --max-steps 3", "no checkpoint is whole", flip(f"{MADE}/learner.safetensors")),
    Wrong("train --resume forgot --max-steps 3", "config.json.batch_size",
          change("forgot/config.json", "run", batch_size="x")),
    Wrong("train --resume forgot --max-steps 3", "holds settings of a Arithmetic",
          write("forgot/config.json", '{"recipe": "npo", "run": {"class": "steelyard.task.arithmetic:Arithmetic"}}')),
    Wrong("train --resume forgot --max-steps 3", "cannot be imported on the word of a file",
          write("forgot/config.json", '{"recipe": "npo", "run": {"class": "os:getcwd"}}')),
]  # fmt: skip

KINDS = {
    "what is to be forgotten": UNLEARNING,
    "interventions": INTERVENING,
    "redirections": REDIRECTING,
    "documents": DOCUMENTS,
    "answers to learn": ANSWERS,
    "preferences to learn": PREFERENCES,
    "responses with feedback": FEEDBACK,
    "texts to explore": EXPLORED,
    "modes to switch": SWITCHED,
    "attacks to withstand": HELD,
    "solutions to pair": SOLUTIONS,
    "draws to learn": DRAWS,
    "claims to judge": REVISED,
    "episodes that were played": PLAYED,
    "soft thoughts": THOUGHTS,
    "images to protect": PROTECTED,
    "images to search": POISONED,
    "knowledge to find": KNOWLEDGE,
    "conversations to find": CONVERSATIONS,
    "runs of jobs": RUNS,
}
