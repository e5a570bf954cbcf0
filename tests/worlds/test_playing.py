import numpy as np

from steelyard.worlds.playing import episode
from steelyard.worlds.second_chances import Chances, SecondChances
from steelyard.worlds.sync_loop import tiny_policy


def test_only_the_players_turns_are_actions():
    prompt = next(p for p in SecondChances().prompts("train") if p.columns["answer"] == "3")
    policy = tiny_policy("abcdefghijklmnopqrstuvwxyz0123456789:", seed=0, width=8, layers=1)
    said = iter("53")
    heard = []

    def player(answer):
        heard.append(answer)
        return next(said)

    t = episode(Chances(4), prompt, player, policy.encode, end=1)
    text = policy.decode(t.tokens_T)
    assert heard == ["", "no"]
    assert text.replace("<eos>", "") in (f"{prompt.text}5no3", f"{prompt.text}<eos>5no3")
    assert np.flatnonzero(t.action_T).tolist() == [4, 5, 8, 9]
    assert t.tokens_T[[5, 9]].tolist() == [1, 1]
