"""Episodes of several turns: tokens are those sampled and observed, engines agree, and what fails is no reward."""

import asyncio
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.drawn import step_logp
from steelyard.core import Prompt, Request, Sampling, Score, Trajectory, outcomes
from steelyard.policy import Policy
from steelyard.rollout import Codec, Episodes, NativeEngine, TransformersEngine, native
from steelyard.rollout.episodes import joined, turns_of

PROMPTS = [Prompt("a", "1+2="), Prompt("b", "9-7=")]
ASKED = [(prompt, sample) for prompt in PROMPTS for sample in range(4)]
SAMPLING = Sampling(1.0, 6)


class Echo:
    """Tells how long the turn was, `turns` times over; then gives the number of turns as reward."""

    def __init__(self, turns=3):
        self.turns = turns

    def reset(self, prompt):
        return prompt.text

    def step(self, completion):
        self.turns -= 1
        return f" {len(completion)}+" if self.turns else Score(3.0)

    def truncate(self, completion):
        return Score(-1.0)


class AsyncEcho(Echo):
    async def reset(self, prompt):
        await asyncio.sleep(0)
        return prompt.text

    async def step(self, completion):
        await asyncio.sleep(0.001 * len(completion))
        return super().step(completion)


class World:
    """A task of such environments."""

    def __init__(self, make=Echo, max_turns=9, deadline_s=20.0):
        self.make, self.max_turns, self.deadline_s = make, max_turns, deadline_s

    def environment(self, prompt, sample):
        return self.make()


@pytest.fixture
def policy(tiny_model_dir):
    return Policy.load(str(tiny_model_dir("llama")))


def play(engine, policy, world, asked=ASKED, sampling=SAMPLING, **options):
    found = list(Episodes(engine, Codec.of(policy), world, **options).play(asked, sampling))
    by_place = {(e.prompt.id, e.trajectory.sample): e for e in found}
    assert len(by_place) == len(found) == len(asked)
    return by_place


def test_tokens_are_those_sampled_and_observed(policy):
    for (_, _sample), e in play(NativeEngine(policy, 3), policy, World()).items():
        t = e.trajectory
        said = turns_of(t, policy.decode)
        assert "".join(part.text for part in said) == e.completion
        assert [part.by for part in said] == [("policy", "environment")[i % 2] for i in range(len(said))]
        tokens = policy.encode(e.prompt.text)
        for told, own in zip([*said[1::2], None], said[::2], strict=False):
            begin = len(tokens)
            while begin + 1 < len(t.tokens_T) and t.action_T[begin + 1]:
                begin += 1
            tokens = t.tokens_T[: begin + 1].tolist()
            assert policy.decode(tokens).endswith(own.text)
            tokens += [] if told is None else policy.tokenizer.encode(told.text, add_special_tokens=False)
        assert t.tokens_T.tolist() == tokens
        assert (t.logp_behaviour_T[~t.action_T] == 0).all()
        assert t.info["turns"] == t.action_T.astype(int)[1:].sum() - (t.action_T[1:] & t.action_T[:-1]).sum()


@pytest.mark.parametrize("make", [Echo, AsyncEcho])
@pytest.mark.parametrize(("rows", "fed"), [(256, 64), (3, 64), (1, 64), (256, 0)])
@pytest.mark.parametrize("patient", [True, False])
def test_engines_agree_and_the_learner_with_them(policy, by_transformers, monkeypatch, make, rows, fed, patient):
    """Whatever the native engine keeps or reads again; a policy that stops often has many turns."""
    monkeypatch.setattr(native, "FED", fed)
    own = play(NativeEngine(policy, 3, max_rows=rows), policy, World(make), patient=patient)
    other = by_transformers(policy)
    theirs = play(TransformersEngine(other, 3), other, World(Echo))
    assert {1, 3} <= {e.trajectory.info["turns"] for e in own.values()}
    for place, e in own.items():
        t = e.trajectory
        expected = theirs[place].trajectory
        assert t.tokens_T.tolist() == expected.tokens_T.tolist()
        assert t.action_T.tolist() == expected.action_T.tolist()
        assert (t.finish, e.outcome) == (expected.finish, theirs[place].outcome)
        np.testing.assert_allclose(t.logp_behaviour_T, expected.logp_behaviour_T, atol=1e-4)
        np.testing.assert_allclose(t.logp_behaviour_T, step_logp(policy, t), atol=1e-4)


@pytest.mark.parametrize(("rows", "fed"), [(256, 64), (3, 64), (1, 64), (256, 0)])
def test_rows_that_stay_in_place_go_on_with_episodes_too(policy, monkeypatch, rows, fed):
    monkeypatch.setattr(native, "FED", fed)
    found, expected = (play(NativeEngine(policy, 3, max_rows=rows, fixed=f), policy, World()) for f in (True, False))
    for place, e in found.items():
        assert e.trajectory.tokens_T.tolist() == expected[place].trajectory.tokens_T.tolist()
        assert e.trajectory.action_T.tolist() == expected[place].trajectory.action_T.tolist()
        np.testing.assert_allclose(
            e.trajectory.logp_behaviour_T, expected[place].trajectory.logp_behaviour_T, atol=1e-4
        )


def test_a_first_turn_is_drawn_as_ever_and_every_turn_at_an_address_of_its_own(policy):
    engine = NativeEngine(policy, 3)
    alone = {(t.prompt_id, t.sample): t for t in engine.generate(
        [Request(p.id, tuple(policy.encode(p.text)), s) for p, s in ASKED], SAMPLING)}  # fmt: skip
    for place, e in play(engine, policy, World()).items():
        once = alone[place]
        np.testing.assert_array_equal(e.trajectory.tokens_T[: len(once.tokens_T)], once.tokens_T)
    assert Request("p", (1,), 2).address == ("sample", "p", 2)
    assert Request("p", (1,), 2, 1).address == ("sample", "p", 2, "turn", 1)


class Quiet(Echo):
    truncate = None  # cannot score what is cut


def test_limits_end_episodes_and_the_environment_scores_them(policy):
    for e in play(NativeEngine(policy, 3), policy, World(lambda: Echo(99), max_turns=2)).values():
        assert (e.trajectory.finish, e.outcome.value) == ("length", -1.0)
        assert e.trajectory.info["cut"] in ("max_turns", "max_tokens")
    long = list(play(NativeEngine(policy, 3), policy, World(lambda: Echo(99), max_turns=99)).values())
    assert {e.trajectory.info["cut"] for e in long} <= {"max_tokens", "context"}
    assert all(len(e.trajectory.tokens_T) <= policy.context_length for e in long)


class Dies(Echo):
    def step(self, completion):
        raise RuntimeError("the server is gone")


class Hangs(Echo):
    def step(self, completion):
        time.sleep(5)


class HangsAsync(Echo):
    async def step(self, completion):
        await asyncio.sleep(60)


class Silent(Echo):
    def step(self, completion):
        return None


class Unborn(Echo):
    def __init__(self):
        raise OSError("no licence")


@pytest.mark.parametrize(
    ("make", "deadline_s", "says"),
    [
        (Dies, 20.0, "environment: RuntimeError: the server is gone"),
        (Hangs, 0.1, "environment: no answer within 0.1 s"),
        (HangsAsync, 0.1, "environment: no answer within 0.1 s"),
        (Silent, 20.0, "environment: it returned NoneType, which is neither an observation nor a Score"),
        (Unborn, 20.0, "environment: OSError: no licence"),
    ],
)
def test_an_environment_that_fails_ends_its_episode_without_a_reward(policy, make, deadline_s, says):
    """Half of the environments fail; the others are as if nothing had happened."""

    class Half(World):
        def environment(self, prompt, sample):
            return make() if sample % 2 else Echo()

    found = play(NativeEngine(policy, 3), policy, Half(deadline_s=deadline_s))
    whole = play(NativeEngine(policy, 3), policy, World())
    failed = [e for e in found.values() if e.trajectory.finish == "error"]
    assert failed
    for (id, sample), e in found.items():
        if sample % 2 == 0:
            assert e.trajectory.tokens_T.tolist() == whole[id, sample].trajectory.tokens_T.tolist()
            assert e.outcome == whole[id, sample].outcome
    for e in failed:
        assert (e.outcome.value, e.outcome.error) == (None, says)
        assert e.trajectory.info["error"] == says
    assert [score.value for score in outcomes(failed)] == [None] * len(failed)


@given(st.lists(st.integers(1, 4), min_size=2, max_size=5), st.lists(st.integers(0, 1), min_size=5, max_size=5))
def test_joining_keeps_every_token_action_and_version(lengths, versions):
    """Each turn has the whole episode as its prompt, and one observed token before its actions."""
    whole, tokens = None, [7]
    expected, drawn_by = [False], []
    for number, length in enumerate(lengths):
        before = len(tokens)
        tokens += [number] * length
        action_T = np.arange(len(tokens)) >= before
        expected += [True] * length
        drawn_by += [versions[number]] * length
        logp_T = np.where(action_T, -1.0 - number, 0).astype(np.float32)
        v = versions[number]
        turn = Trajectory("p", np.array(tokens, np.int32), action_T, logp_T, v, f"d{v}", SAMPLING, "stop")
        whole = turn if whole is None else joined(whole, turn)
        tokens.append(99)
        expected.append(False)
    assert whole.tokens_T.tolist() == tokens[:-1]
    assert whole.action_T.tolist() == expected[:-1]
    assert (whole.logp_behaviour_T[whole.action_T] <= -1).all()
    assert whole.version == versions[0]
    if len(set(drawn_by)) == 1:
        assert whole.version_T is None
    else:
        assert whole.version_T[whole.action_T].tolist() == drawn_by


def test_environments_that_change_their_prompt_or_their_messages_change_nothing_for_others(policy):
    class Rude(Echo):
        def reset(self, prompt):
            self.seen = len(prompt.columns["tests"])
            prompt.columns["tests"].append("mine")
            return prompt.text

        def step(self, completion):
            return Score(float(self.seen))

        truncate = step

    shared = Prompt("a", "1+2=", {"tests": ["t"]})
    for _ in range(2):
        asked = [(shared, sample) for sample in range(2)]
        found = play(NativeEngine(policy, 3), policy, World(Rude), asked)
        assert [e.outcome.value for e in found.values()] == [1.0, 1.0]
    assert shared.columns == {"tests": ["t"]}


@pytest.mark.parametrize("engine", [NativeEngine, TransformersEngine])
def test_an_environment_gets_each_turn_without_the_stop_string_that_ended_it(policy, engine):
    told = []

    class Listens(Echo):
        def step(self, completion):
            told.append(completion)
            return super().step(completion)

    sampling = Sampling(1.0, 6, stop=("1", "2", "+"))
    for e in play(engine(policy, 3), policy, World(Listens), sampling=sampling).values():
        said = turns_of(e.trajectory, policy.decode)
        assert "".join(part.text for part in said) == e.completion
        stop = e.trajectory.info.get("stop")
        assert stop in (None, "1", "2", "+")
        assert not said[-1].text.count(stop or "\0")
    assert len(told) > 8  # turns at the length limit are not told
    assert not any(stop in turn for turn in told for stop in sampling.stop)
