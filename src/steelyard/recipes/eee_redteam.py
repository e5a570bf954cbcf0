"""Attacks on a model of your own by classifiers of your own: train eee-redteam --model ATTACKER --victim DIR ...

Name guards that were fitted on labelled replies, such as train eee-explore chooses: --classifiers RUN1 RUN2 RUN3.
Differs: REINFORCE on the KL-shaped reward with low-rank adapters, where the paper has PPO on the top layer of
gpt2-large, learning rate 1e-6, 4,096 in a batch, and a KL coefficient that adapts from 0.05. With another model as
victim set --nearness too: 100 was for GPT-2-xl, whose hidden states have 1,600 numbers.
"""

from dataclasses import replace

from steelyard.guard import EEERedTeam
from steelyard.objective import Reinforce
from steelyard.recipes import red_team_gpt2
from steelyard.replay import SingleUse

RECIPE = replace(
    red_team_gpt2.RECIPE,
    task=EEERedTeam(
        victim="openai-community/gpt2-xl",
        victim_template="{attack}",
        prompt="The",
        held_out_prompt="A",
        replies=1,
        reply_tokens=20,
        reply_temperature=1.0,
        reply_top_p=1.0,
        min_tokens=1,
    ),
    objective=Reinforce(beta=0.05),
    model="openai-community/gpt2-large",
    replay=SingleUse(capacity=4),
    max_completion_length=10,
)
