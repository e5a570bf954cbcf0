import pytest

from steelyard.learner import Adam, Learner, collate
from steelyard.objective import SFT
from steelyard.policy import Policy
from steelyard.pretrain import AWR, RWR, Filtering, Preparation, Unlikelihood, document, trajectory_of
from steelyard.pretrain.phf import PHF


def test_a_document_scores_its_segments():
    made = document(["ab", "cde"], lambda text: float(len(text)))
    assert (made.text, made.score) == ("abcde", 2.5)
    assert [s.score for s in made.segments] == [2.0, 3.0]


def test_all_tokens_but_the_first_are_actions_and_have_their_segments_reward(corpus, tiny_model_dir):
    policy = Policy.load(str(tiny_model_dir("llama")))  # it puts <bos> before a text, but not between segments
    t = trajectory_of(policy, corpus[1])
    assert t.tokens_T.tolist() == [2, *policy.tokenizer.encode("abcde", add_special_tokens=False), 0]
    assert t.action_T.tolist() == [False] + [True] * 6
    assert t.reward_T.tolist() == [0, 0, 0, -1, -1, -1, 0]
    assert (t.reward, t.finish, t.labels) == (-0.5, "stop", {"demonstration": True})
    batch = collate([[t]])
    assert batch.reward_PGT.tolist() == [[t.reward_T.tolist()]]


@pytest.mark.parametrize("objective", [SFT(), Unlikelihood(), RWR(), AWR()], ids=lambda o: type(o).__name__)
def test_a_learner_takes_documents(corpus, tiny_model_dir, objective):
    policy = Policy.load(str(tiny_model_dir("llama")))
    groups = [[trajectory_of(policy, d)] for d in corpus]
    learner = Learner(policy, objective, Adam(), learning_rate=1e-2)
    losses = [learner.step(groups)["learner/loss"] for _ in range(20)]
    assert losses[-1] < losses[0]


def test_preparations_are_preparations():
    assert isinstance(PHF(), Preparation) and isinstance(Filtering(), Preparation)
