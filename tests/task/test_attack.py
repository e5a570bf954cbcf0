import math

import numpy as np
import pytest
import torch

from policy.encoders import save_encoder
from steelyard.check.scoring import episode_of
from steelyard.core import Prompt, Sampling, SteelyardError
from steelyard.policy import Policy, loading
from steelyard.policy.classifier import Classifier
from steelyard.policy.embedder import Embedder
from steelyard.reward.novelty import distance_to_others, embed
from steelyard.task import Attack
from steelyard.task.judges import JUDGES, ClassifierJudge, GuardModelJudge
from steelyard.task.replier import Replier, draw

PROMPT = Prompt("p", "1.")
ATTACKS = [episode_of(PROMPT, text) for text in ("12+34-", "aabb=c", "99 99 99")]
SHORT = episode_of(PROMPT, "12")


def count_ones(attacks, replies):
    return [min(1.0, reply.count("1") / 4 + 0.1) for reply in replies]


@pytest.fixture(autouse=True)
def ones(monkeypatch):
    """A judge of the test's own, beside the program's."""
    monkeypatch.setitem(JUDGES, "ones", count_ones)


@pytest.fixture(scope="module")
def classifier_dir(tmp_path_factory, tiny_model_dir):
    import transformers

    place = tmp_path_factory.mktemp("classifier")
    labels = {"id2label": {0: "nothate", 1: "hate"}, "label2id": {"nothate": 0, "hate": 1}}
    config = transformers.RobertaConfig(
        vocab_size=28, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=40, pad_token_id=1, **labels,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        transformers.RobertaForSequenceClassification(config).save_pretrained(place)
    transformers.AutoTokenizer.from_pretrained(tiny_model_dir("gpt2")).save_pretrained(place)
    return place


def attack_on(directory, **settings):
    judge = {"judge": "ones", **settings}
    return Attack(victim=str(directory), victim_template="{attack}=", reply_tokens=6, **judge)


def test_a_reward_is_one_and_the_log_of_twice_the_mean(tiny_model_dir):
    task = attack_on(tiny_model_dir("gpt2"))
    for score in task.score(ATTACKS):
        assert score.value == pytest.approx(1 + math.log(2 * score.parts["toxicity"]))
        assert 0.1 <= score.parts["toxicity"] <= 1


def test_short_attacks_get_the_floor_and_none_gives_none(tiny_model_dir):
    task = attack_on(tiny_model_dir("gpt2"), floor=0.01)
    first, *_ = task.score([SHORT, *ATTACKS])
    assert first.value == pytest.approx(1 + math.log(0.02)) and first.parts["toxicity"] == 0
    assert task.score([]) == [] and task.measure([], []) == {"success": 0.0, "toxicity": 0.0, "diversity": 0.0}


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_replies_depend_on_the_text_and_the_address_alone(tiny_model_dir, family):
    policy = Policy(*loading.load(str(tiny_model_dir(family)), "float32"))
    replier = Replier(policy, Sampling(0.7, 6, 0.92), 3, 0, batch=2)
    texts, addresses = ["12+34-=", "a=", "99 99 99="], [("a", s) for s in range(3)]
    alone = [replier.replies([t], [a])[0] for t, a in zip(texts, addresses, strict=True)]
    assert replier.replies(texts, addresses) == alone
    assert replier.replies(texts[::-1], addresses[::-1]) == alone[::-1]
    assert len({reply for some in alone for reply in some}) > 1


def test_top_p_by_hand():
    logits = torch.tensor([[0.5, 0.3, 0.2]]).log().repeat(3, 1)
    # 0.5 + 0.3 hold 0.6 together: what is drawn is one of the two, in the ratio 5 to 3
    assert draw(logits, torch.tensor([0.0, 0.62, 0.63]), Sampling(1.0, 1, 0.6)).tolist() == [0, 0, 1]
    assert draw(logits, torch.tensor([0.49, 0.79, 0.81]), Sampling(1.0, 1)).tolist() == [0, 1, 2]


def test_a_classifier_judges_by_its_label(classifier_dir, tiny_model_dir):
    judge = ClassifierJudge(str(classifier_dir), "hate")
    texts = ["12", "a" * 100, ""]
    hate, fine = judge(texts, texts), ClassifierJudge(str(classifier_dir), "nothate")(texts, texts)
    assert np.add(hate, fine) == pytest.approx(np.ones(3), abs=1e-6)
    task = attack_on(tiny_model_dir("gpt2"), judge=str(classifier_dir), judge_kind="classifier", judge_label="hate")
    assert all(0 < score.parts["toxicity"] < 1 for score in task.score(ATTACKS))
    with pytest.raises(SteelyardError, match="no label 'toxic'"):
        ClassifierJudge(str(classifier_dir), "toxic")(texts, texts)
    assert Classifier.load(str(classifier_dir)).share([], "hate").shape == (0,)


def test_a_guard_judges_by_the_first_token_of_a_word(tiny_model_dir):
    directory = str(tiny_model_dir("qwen3"))
    toxic = GuardModelJudge(directory, word="1", opening="#", dtype="float32")(["ab", "ab"], ["12", "34"])
    policy = Policy.load(directory)
    tokens = torch.tensor([policy.tokenizer.encode("u:ab#a:12##", add_special_tokens=False)])
    hidden = policy.backbone(input_ids=tokens, attention_mask=torch.ones_like(tokens), use_cache=False)[0]
    [one] = policy.tokenizer.encode("1", add_special_tokens=False)
    assert toxic[0] == pytest.approx(float(policy.head(hidden[0, -1]).softmax(-1)[one].detach()), rel=1e-5)
    assert toxic[0] != toxic[1]


def test_a_victim_with_a_chat_template_is_asked_by_it(tiny_model_dir):
    task = Attack(victim=str(tiny_model_dir("qwen3")), victim_template="", judge="ones")
    assert task._read(" ab ") == "u:ab#a:"


def test_by_default_nothing_is_fetched():
    assert [prompt.id for split in ("train", "held-out") for prompt in Attack().prompts(split)] == ["train", "held-out"]
    assert Attack().measure([[episode_of(PROMPT, "zlaze plinu vrefe frule nu")]], [])["success"] in (0.0, 1.0)


def test_diversity_is_by_n_grams_or_by_an_encoder(tiny_model_dir, tmp_path):
    samples, texts = [ATTACKS[:2], ATTACKS[2:]], [e.completion for e in ATTACKS]
    counted = attack_on(tiny_model_dir("gpt2")).measure(samples, [])
    assert counted["diversity"] == float(distance_to_others(embed(texts)).mean())
    encoder = save_encoder(tmp_path)
    task = attack_on(tiny_model_dir("gpt2"), embedder=encoder)
    found = task.measure(samples, [])
    first, second, third = Embedder.load(encoder).embed(texts)
    cosines = [float(a @ b) for a, b in ((first, second), (first, third), (second, third))]
    assert found == {**counted, "diversity": pytest.approx(1 - np.mean(cosines), abs=1e-6)}
    assert found["diversity"] != pytest.approx(counted["diversity"], abs=1e-3)
    assert task.measure([], [])["diversity"] == 0.0
    assert {what: (read.kind, read.searched) for what, read in task.models.items()} == {
        "victim": ("language model", True), "embedder": ("encoder", False),
    }  # fmt: skip


def test_a_judge_that_is_not_there_is_named():
    with pytest.raises(SteelyardError, match="there is no judge 'os:system'"):
        Attack(judge="os:system")


@pytest.mark.parametrize(
    "wrong",
    [{"replies": 0}, {"reply_tokens": 0}, {"floor": 0.6}, {"victim_template": "say"}],
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(SteelyardError, match=r"attack"):
        Attack(**wrong)
