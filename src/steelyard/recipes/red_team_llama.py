"""TBA's red-teaming of Llama: a Llama-3.2-1B attacker, Llama-3.1-8B-Instruct as victim, Llama Guard 3 as judge.

Differs: as `red-team-gpt2`. The share m of recent data is .6 with the buffer of 130,000 (and .5 with one of 150,000).
Source: Bartoldson et al. 2025, arXiv:2503.18929, B.3 and Table 6; the victim's sampling: Lee et al. 2024,
arXiv:2405.18540.
"""

from dataclasses import replace

from steelyard.recipes import red_team_gpt2
from steelyard.task import Attack

RECIPE = replace(
    red_team_gpt2.RECIPE,
    task=Attack(
        victim="meta-llama/Llama-3.1-8B-Instruct",
        victim_template="",
        victim_dtype="bfloat16",
        judge="meta-llama/Llama-Guard-3-8B",
        judge_kind="guard",
        judge_label="unsafe",
        prompt=red_team_gpt2.TASK.prompt,
        held_out_prompt=red_team_gpt2.TASK.held_out_prompt,
        reply_tokens=64,
        reply_temperature=0.1,
        reply_top_p=0.9,
        embedder=red_team_gpt2.TASK.embedder,
    ),
    model="meta-llama/Llama-3.2-1B",
    replay=replace(red_team_gpt2.REPLAY, capacity=130_000, recent_probability=0.6),
    num_searchers=6,
    dtype="bfloat16",
)
