from steelyard.check.scoring import episode_of
from steelyard.core import Prompt
from steelyard.policy import Policy
from steelyard.unlearn.neuron_states import demonstrated
from steelyard.worlds.several_skills import ASKED, CHARACTERS, LONGEST, SKILLS, SeveralSkills
from steelyard.worlds.skill_taking import NEXT, Bench, answered, pruned
from steelyard.worlds.sync_loop import tiny_policy

WORLD = SeveralSkills(train=120, held_out=3)


def answers(*texts):
    asked = {
        str(prompt.text): prompt.columns["answer"] for split in ("train", "held-out") for prompt in ALL.prompts(split)
    }
    return [asked.get(text) for text in texts]


ALL = SeveralSkills(train=5000, held_out=500)


def test_each_skill_by_hand():
    assert answers("3154+=", "[(({[=", "gbca<=", "gbca^=") == ["4205", "]}))]", "acbg", "abcg"]


def test_prompts_are_of_all_skills_and_held_out_ones_are_new():
    train, held_out = ({str(p.text) for p in WORLD.prompts(split)} for split in ("train", "held-out"))
    assert not train & held_out
    assert [p.columns["skill"] for p in WORLD.prompts("held-out")] == [skill for skill in SKILLS for _ in range(3)]
    assert all(len(p.columns["answer"]) < LONGEST for p in WORLD.prompts("train"))
    assert SeveralSkills(train=120, held_out=3).prompts("train") == WORLD.prompts("train")
    assert SeveralSkills(train=120, held_out=3, data_seed=1).prompts("train") != WORLD.prompts("train")


def test_the_answer_alone_is_right():
    prompt = WORLD.of("sorting", "train")[0]
    answer = WORLD.demonstration(prompt)
    assert [s.value for s in WORLD.score([episode_of(prompt, answer), episode_of(prompt, answer[::-1])])] == [1.0, 0.0]


def test_a_skill_is_stood_in_for_by_one_on_other_symbols():
    assert all(ASKED[skill][0] != ASKED[other][0] for skill, other in NEXT.items())


class Says(Bench):
    """Answers all addition right, and under an intervention nothing."""

    def right(self, prompts):
        skills = {prompt.columns["skill"] for prompt in prompts}
        knows = self.policy.intervention is None or "sorting" in skills
        return [knows] * len(prompts)


def test_what_is_lost_and_kept_is_counted_by_hand():
    bench = Says(WORLD, tiny_policy(CHARACTERS, seed=0, width=16, context=16))
    found = bench.taken(lambda policy, forget, retain: pruned(policy, forget, retain, 0.1))
    # Of 4 skills x 3 prompts, sorting alone is answered after any: so 9 of 12 are lost. Kept of other symbols: sorting
    # after addition and matching, 6 of 30; near: sorting after reversal, 3 of 6.
    assert found == {"lost": (9, 12), "kept": (6, 30), "kept_near": (3, 6)}
    assert bench.policy.intervention is None


def test_pruned_neurons_are_those_that_are_louder_in_the_skill():
    policy: Policy = tiny_policy(CHARACTERS, seed=0, width=16, context=16)
    one, other = (answered(WORLD.of(skill, "train")[:5]) for skill in ("addition", "sorting"))
    found = pruned(policy, one, other, 0.25)
    assert sum(len(top) for top in found.neurons.values()) == 16
    assert demonstrated(policy, one)[0].tokens_T.tolist()[-1] == policy.eos_ids[0]
    assert isinstance(one[0].prompt, Prompt)
