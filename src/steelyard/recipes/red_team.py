"""TBA finds the sentences that provoke a tiny victim, of every family, on a laptop: red-teaming with invented words."""

from steelyard.core import WarmupStableDecay
from steelyard.learner import Adam
from steelyard.objective import VarGradTB
from steelyard.replay import PrioritizedReplay
from steelyard.runtime import HeldOut, Run
from steelyard.task import RedTeam

REPLAY = PrioritizedReplay(
    capacity_per_prompt=None,
    capacity=10_000,
    eviction="oldest",
    near_duplicate_threshold=0.25,
    protected_per_prompt=64,
    recent_probability=0.6,
    reward_temperature=2.0,
    warmup=256,
)
RECIPE = Run(
    task=RedTeam(),
    objective=VarGradTB(beta=0.3),
    beta_final=0.07,
    beta_steps=200,
    model="steelyard/red-team",
    replay=REPLAY,
    num_searchers=2,
    learning_rate=3e-3,
    optimizer=Adam(beta2=0.98, schedule=WarmupStableDecay(warmup=20, stable=200, decay=180)),
    max_steps=400,
    num_prompts=3,
    num_generations=64,
    search_prompts=1,
    max_completion_length=12,
    evaluation=HeldOut(every=100, prompts=1, sampled_prompts=1, samples=1024),
)
