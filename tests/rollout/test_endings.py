"""Stop strings end a completion at the first token with which its text contains one, in every engine."""

from functools import cache

import numpy as np
import pytest
import tokenizers
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import decoders, models, pre_tokenizers, trainers

from rollout.drawn import assert_same, requests_for, run
from steelyard.core import Sampling, SteelyardError
from steelyard.decode import CNTP
from steelyard.policy import Policy, loading
from steelyard.policy.tokenizer import NativeTokenizer
from steelyard.rollout import CandidateEngine, NativeEngine, TransformersEngine
from steelyard.rollout.endings import BROKEN, MAY_COMPLETE, PLAIN, Endings, check_stop, described, ended_by

WORDS = ["Question: what is 8 and 5?", "Answer: 13\n\nQuestion:", "größer 量子 is 字\n", "\n\n\t 🙂 x \\n"]


class Words(Policy):
    """The words of a policy, without a model."""

    vocab_size = 0
    eos_ids = ()
    device = torch.device("cpu")

    def __init__(self, tokenizer, vocab_size, eos_ids):
        self.tokenizer = tokenizer
        self.vocab_size = vocab_size
        self.eos_ids = eos_ids


@cache
def words(kind):
    inner = MADE[kind]()
    inner.add_special_tokens(["<eos>", "<turn>"])
    known = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<eos>"}
    made = NativeTokenizer(inner, known)
    # two ids beyond the tokenizer's, which decode to nothing
    return Words(made, inner.get_vocab_size() + 2, (inner.token_to_id("<eos>"),))


def _byte_level():
    """Merges join letters, spaces and parts of characters; several tokens hold a part of a character alone."""
    inner = tokenizers.Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    inner.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    inner.train_from_iterator(WORDS * 4, trainers.BpeTrainer(vocab_size=340, initial_alphabet=alphabet))
    return inner


def _byte_fallback():
    """As of Llama: pieces, and single bytes for what has none; of a run that is no text each byte is marked."""
    pieces = ["▁", "▁Question", ":", "Q", "ue", "stion:", "▁\n", "1", "13", "▁Ans", "wer", "is", "字x", "x"]
    vocab = {piece: i for i, piece in enumerate([*pieces, *(f"<0x{byte:02X}>" for byte in range(256))])}
    inner = tokenizers.Tokenizer(models.BPE(vocab, [], byte_fallback=True))
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    inner.decoder = decoders.Sequence(steps)
    return inner


def _words():
    """No decoder: tokens are joined by spaces."""
    inner = tokenizers.Tokenizer(models.WordLevel({"a": 0, "b": 1, "ab": 2, "a:": 3, ":": 4, "\n": 5}, unk_token="a"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    return inner


def _metaspace():
    inner = tokenizers.Tokenizer(
        models.WordLevel({"▁a": 0, "b": 1, "▁": 2, "▁b:": 3, "\n": 4, "\nQ": 5}, unk_token="b")
    )
    inner.pre_tokenizer = pre_tokenizers.Metaspace()
    inner.decoder = decoders.Metaspace()
    return inner


MADE = {"byte-level": _byte_level, "byte fallback": _byte_fallback, "words": _words, "metaspace": _metaspace}


def naive(policy, stop, tokens):
    """The first t at which the text contains a stop string, and which stands first in it."""
    for t in range(1, len(tokens) + 1):
        said = policy.decode(tokens[:t])
        found = [(said.index(string), i) for i, string in enumerate(stop) if string in said]
        if found:
            return t, stop[min(found)[1]]
    return None


def streamed(policy, stop, tokens):
    endings = Endings(policy, stop)
    for t in range(1, len(tokens) + 1):
        of = tokens[:t]
        rows, by = endings.ended(np.array(tokens[t - 1 : t]), np.zeros(1, bool), lambda _, of=of: of)
        if len(rows) and by[0]:
            return t, by[0]
    return None


def _case(draw):
    """A tokenizer, tokens, and stop strings of which some are cut from the text of these tokens."""
    policy = words(draw(st.sampled_from([*MADE])))
    ids = st.integers(0, policy.vocab_size - 1).filter(lambda token: token not in policy.eos_ids)
    few = draw(st.lists(ids, min_size=1, max_size=4, unique=True))  # the same ones again, so that strings come back
    tokens = draw(st.lists(st.sampled_from(few) | ids, min_size=1, max_size=24))
    said = policy.decode(tokens)
    starts = st.integers(0, max(0, len(said) - 1))
    cut = st.builds(lambda at, length: said[at : at + length], starts, st.integers(1, 5))
    written = st.sampled_from(["\n", "\nQuestion:", "字", "a b", "Q", " ", ": "])
    stop = draw(
        st.lists(
            (cut | written).filter(lambda string: string and BROKEN not in string), min_size=1, max_size=3, unique=True
        )
    )
    return policy, tuple(stop), tokens


@settings(max_examples=1500)
@given(st.data())
def test_a_completion_ends_where_decoding_every_prefix_says(data):
    policy, stop, tokens = _case(data.draw)
    with pytest.MonkeyPatch.context() as patched:  # also strings that no text is read as
        patched.setattr("steelyard.rollout.endings.check_stop", lambda *_: None)
        assert streamed(policy, stop, tokens) == naive(policy, stop, tokens)


def test_a_string_may_begin_inside_a_token_and_end_inside_another():
    policy = words("byte-level")
    ids = [policy.tokenizer.encode(part) for part in ("13\n", "Q", "uestion:", " x")]
    tokens = [token for part in ids for token in part]
    found = streamed(policy, ("\nQuestion:", "never"), tokens)
    assert found == (len(tokens) - len(ids[-1]), "\nQuestion:")


def test_a_character_of_several_bytes_counts_with_its_last():
    policy = words("byte fallback")
    # U+5B57 is E5 AD 97. Alone the three bytes are no text; "x" after them is.
    tokens = [policy.tokenizer.get_vocab()[name] for name in ("<0xE5>", "<0xAD>", "<0x97>", "x")]
    assert [policy.decode(tokens[:t]) for t in (1, 2, 3)] == ["\ufffd", "\ufffd\ufffd", "字"]
    assert streamed(policy, ("字",), tokens) == (3, "字")
    assert streamed(policy, ("字x",), tokens) == (4, "字x")


def test_of_two_strings_the_one_that_begins_first_is_named():
    policy = words("byte-level")
    tokens = policy.tokenizer.encode("is 8")
    joined = Endings(policy, ("8", " 8"))
    assert joined.completed(tokens) == " 8"
    assert joined.completed(policy.tokenizer.encode("is")) is None


def test_the_text_is_decoded_for_few_tokens():
    policy = words("byte-level")
    endings = Endings(policy, ("\nQuestion:",))
    kinds = endings.kinds(np.arange(policy.vocab_size))
    assert 0 < (kinds == MAY_COMPLETE).sum() < 25
    assert endings.kinds(np.array(policy.tokenizer.encode("x")))[0] == PLAIN


def test_a_special_token_is_an_end_token_and_not_a_text():
    policy = words("byte-level")
    turn = policy.tokenizer.get_vocab()["<turn>"]
    endings = Endings(policy, ("<turn>", "\n"))
    assert endings.strings == ("\n",)
    assert endings.ids == tuple(sorted([*policy.eos_ids, turn]))
    rows, by = endings.ended(np.array([turn, 1, 2]), np.array([False, True, False]), lambda _: [1])
    assert (rows.tolist(), by) == ([0, 1], ["", None])


def test_what_nobody_can_write_is_refused(tiny_model_dir):
    policy = Policy.load(str(tiny_model_dir("llama")))
    with pytest.raises(SteelyardError, match="the model's tokenizer cannot write 'Q'; write what the model can write"):
        Endings(policy, ("1", "Q"))
    with pytest.raises(SteelyardError, match="--stop: is empty"):
        check_stop(policy, "")
    with pytest.raises(SteelyardError, match="bytes that are no character"):
        check_stop(policy, BROKEN)
    with pytest.raises(SteelyardError, match="stop: stop is"):
        list(NativeEngine(policy, 0).generate(requests_for(1), Sampling(stop=("",))))
    assert described(policy, Sampling(max_tokens=9, stop=("1", "21"))) == {
        "tokens": ["<eos>"],
        "stop": ["1", "21"],
        "never": ["21"],
        "max_tokens": 9,
    }


STOP = ("1+", "b", "8", "d=", "-c", "a")
ENGINES = {
    "rows": NativeEngine,
    "few rows": lambda policy, seed: NativeEngine(policy, seed, max_rows=4),
    "fixed rows": lambda policy, seed: NativeEngine(policy, seed, fixed=True, max_rows=5),
    "forward pass": TransformersEngine,
    "a rule": lambda policy, seed: CandidateEngine(policy, CNTP(n_max=1), seed),
}


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_ends_there(tiny_model_dir, engine):
    """As the naive rule cuts what is drawn without stop strings: the draws do not depend on them."""
    policy = Policy(*loading.load(str(tiny_model_dir("llama")), "float32"))
    whole = run(NativeEngine(policy, 3), requests_for(12), Sampling(1.2, 20))
    found = run(ENGINES[engine](policy, 3), requests_for(12), Sampling(1.2, 20, stop=STOP))
    named = set()
    for key, t in found.items():
        said = whole[key].completion_T
        cut = naive(policy, STOP, said)
        assert t.completion_T.tolist() == said[: cut[0] if cut else None].tolist()
        assert t.info.get("stop") == (cut[1] if cut else None)
        assert t.finish == ("stop" if cut else whole[key].finish)
        assert ended_by(t, policy) == (cut[1] if cut else "<eos>" if t.finish == "stop" else "length")
        begin = len(t.tokens_T) - len(t.completion_T)
        np.testing.assert_allclose(
            t.logp_behaviour_T[begin:], whole[key].logp_behaviour_T[begin : len(t.tokens_T)], atol=1e-4
        )
        named.add(t.info.get("stop"))
    assert len(named) > 3


def test_continuations_of_a_rule_end_there_too(tiny_model_dir):
    policy = Policy(*loading.load(str(tiny_model_dir("gpt2")), "float32"))
    found = run(CandidateEngine(policy, CNTP(), 1), requests_for(12), Sampling(1.5, 16, stop=("1", "+")))
    for t in found.values():
        cut = naive(policy, ("1", "+"), t.completion_T)
        assert cut is None or cut == (len(t.completion_T), t.info["stop"])
    assert {t.info.get("stop") for t in found.values()} >= {"1", "+"}


def test_stop_strings_of_one_call_are_not_those_of_the_next(tiny_model_dir):
    policy = Policy.load(str(tiny_model_dir("llama")))
    for fixed in (False, True):
        engine = NativeEngine(policy, 3, fixed=fixed)
        bare = run(NativeEngine(policy, 3), requests_for(3), Sampling(max_tokens=12))
        run(engine, requests_for(3), Sampling(max_tokens=12, stop=("1", "2", "3")))
        for key, t in run(engine, requests_for(3), Sampling(max_tokens=12)).items():
            assert_same(t, bare[key])
