"""RATE-FT: a model is tuned to say whether a claim is true, why, and what the right answer is to a question about it.

Differs: rationales, questions and answers are columns of the data, where the paper has a model write them from what a
web search found; its band of claims that are left to tools, between two thresholds, is not built. Unconfirmed: the
wording of its prompts, and its share of auxiliary rows (here one for each claim with a question).

    claim c       ->  True or False, then the rationale              so the label is all that has to be read
    question q    ->  the right answer, then the rationale           the auxiliary task
    L       = - mean over the tokens of both of log pi(token)
    z(c)    = log pi(False | c) - log pi(True | c),                  at the first token
    harm(c) = sigma(z(c) - tau),                                     tau: best balanced accuracy on other claims
    BAcc    = (share of the hallucinated claims that are found + share of the true ones that are passed) / 2

Without rationales and questions it is plain fine-tuning of a detector. N claims; harm is the probability of the label
"hallucinated", moved so that the threshold is a half.
Source: Qin et al. 2025, arXiv:2505.12265.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from steelyard.core import Prompt, Trajectory, method, require
from steelyard.guard.claims import Claim
from steelyard.learner import demonstration
from steelyard.learner.demonstrations import end_of, given
from steelyard.policy import Policy
from steelyard.task.base import PlainText, PromptTemplate, Text, worded

WHERE = "rate-ft"


@method(
    "rate-ft",
    paper="arXiv:2505.12265",
    claim="Rationales and questions in its tuning raise a detector's balanced accuracy from 76 to 80 %",
)
@dataclass(frozen=True)
class RateFT:
    """How claims become what a detector learns, and how it is asked."""

    rationales: bool = True
    """Teach the reason after the label, and after an answer."""
    questions: bool = True
    """Teach the answers to the questions, too."""
    claim_template: PromptTemplate = "{prompt}\nTrue or false?\n"
    r"""Text around a claim. On the command line \n, \t and \\ are a line break, a tab and a backslash."""
    question_template: PromptTemplate = "{prompt}\n"
    """Text around a question."""
    factual: PlainText = "True"
    """What the model says of a true claim; only the first token is read."""
    hallucinated: PlainText = "False"
    """What it says of another."""
    between: PlainText = ". "
    """Text between a label, or an answer, and the reason."""
    chat: bool = False
    """Make each claim and question the message of a user, which the model's chat template renders."""

    def __post_init__(self) -> None:
        asks = self.chat or self.claim_template.strip() != "{prompt}"
        hint = "write what asks whether it is true"
        require(asks, "is the claim alone", where=f"{WHERE}.claim_template", hint=hint)

    def labels(self, policy: Policy) -> tuple[list[int], list[int]]:
        """The tokens of both labels.

        Raises:
            SteelyardError: they begin with the same token.
        """
        both = [policy.tokenizer.encode(w, add_special_tokens=False) for w in (self.factual, self.hallucinated)]
        apart = all(both) and both[0][0] != both[1][0]
        what = f"{self.factual!r} and {self.hallucinated!r} do not begin with tokens that differ"
        require(apart, what, where=f"{WHERE}.factual", hint="choose words that the model's vocabulary tells apart")
        return both[0], both[1]

    def asked(self, policy: Policy, claim: str) -> list[int]:
        """The tokens that ask whether a claim is true; one too long for the context loses its end."""
        tokens = policy.encode(self._text(claim, self.claim_template))
        room = policy.context_length - 1
        excess = len(tokens) - room
        if excess <= 0:
            return tokens
        own = policy.tokenizer.encode(claim, add_special_tokens=False)
        shorter = policy.decode(own[: max(len(own) - excess, 0)])
        return policy.encode(self._text(shorter, self.claim_template))[-room:]

    def lessons(self, policy: Policy, claims: Sequence[Claim]) -> list[Trajectory]:
        """What is learned: of each claim its label, and of those with a question the answer."""
        labels = self.labels(policy)
        return [lesson for claim in claims for lesson in self._lessons(policy, claim, labels)]

    def _lessons(self, policy: Policy, claim: Claim, labels: tuple[list[int], list[int]]) -> Iterator[Trajectory]:
        why = f"{self.between}{claim.rationale}" if self.rationales and claim.rationale else ""
        after = [*labels[claim.hallucinated], *policy.tokenizer.encode(why, add_special_tokens=False)]
        end = end_of(policy, self._text(claim.text, self.claim_template))
        yield given(claim.text, self.asked(policy, claim.text), [*after, end], reward=1.0)
        if self.questions and claim.question:
            prompt = Prompt(claim.question, self._text(claim.question, self.question_template))
            yield demonstration(policy, prompt, f"{claim.answer}{why}")

    def _text(self, text: str, template: str) -> Text:
        return worded(text, template, self.chat, "", WHERE)
