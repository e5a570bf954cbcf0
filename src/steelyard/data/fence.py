"""FenCE: a model's responses, revised claim by claim from critiques and ranked, for fine-tuning and preference tuning.

Differs: a pattern cuts a response into claims, where the paper has a model extract them; documents are a column of the
rows, where the paper asks search, Wikipedia and a knowledge graph for each claim; of equal scores the response with
more supported claims comes first, of equal responses one stays, and where no claim is left at all, `nothing` is taught.
Unconfirmed: only the abstract and a reader's notes
could be read. By these we take it that the generator itself rewrites; that a paragraph is revised in each round and
what follows it is written anew, three rounds, then the rest stands as it is written; that what is rejected is any
response of a lower score, revised or not; the number of candidates; all wordings.

    y_1 ... y_N ~ generator(x);    paragraph by paragraph, each claim c of y with critic(c, documents) = (label, why):
        supported                                   c stays
        generator(is c true?) says unknown          c is removed: a lesser-known fact, which it would learn to make up
        else                                        c' ~ generator(c, why)
        y    = revised paragraphs, then what the generator goes on with
    s(y)     = supported claims of y / claims of y
    answer   = each of the `top` revised responses of the highest s
    chosen   = the same,   rejected = a response of x with a lower s, drawn by lot

`sft` on the answers, then `offline-dpo` on the pairs, is the rest of the method. With `lesser_known="rewrite"` every
claim is edited (EVER), with `rounds=0` responses are only ranked (FactTune). A row says what was edited and why; over
the rows of a model's own responses (`rounds=0, samples=1, top=1`), N of them, both sides of the trade are measured:

    factuality = sum supported / sum claims,    coverage = sum supported / N

Source: Xie et al. 2024, arXiv:2410.18359.
"""

import itertools
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Literal

from steelyard.core import NonNegativeInt, PositiveInt, Share, SteelyardError, method, require
from steelyard.core.columns import Column
from steelyard.core.json import JsonMapping
from steelyard.data.builder import Builder, Question, Tool, Tools, derive
from steelyard.data.critique import ClaimTemplate, Critic, Critique, CritiqueForm, filled, question_of
from steelyard.data.drafts import Claim, Draft, Edit, Response, after, claims_of, moved
from steelyard.data.fragments import fragments
from steelyard.data.record import Record
from steelyard.policy.text import Text
from steelyard.task.base import PlainText, worded

ID = "fence"
BEFORE = "said_before"
"""What a judge is told of a claim beside its row: the response up to there."""


@method(
    ID,
    paper="arXiv:2410.18359",
    claim="Tuned on responses revised without lesser-known facts, an 8B model is right in 65 % of its claims, not 51 %",
)
@dataclass(frozen=True)
class FenCE(Builder):
    """Settings of the responses that are revised and ranked."""

    samples: PositiveInt = 8
    """N: responses that the generator writes to each prompt."""
    rounds: NonNegativeInt = 3
    """Paragraphs that are revised, after each of which the rest is written anew; 0 only ranks."""
    top: PositiveInt = 3
    """Revised responses of each prompt that are taught and preferred."""
    lesser_known: Literal["remove", "rewrite"] = "remove"
    """What becomes of a claim that is not supported and of which the generator does not know whether it is true."""
    rejected: Literal["any", "revised"] = "any"
    """Which responses of a lower score may be rejected: those before revision, too, or revised ones only."""
    threshold: Share = 0.5
    """A claim is supported where a judge that gives numbers gives one as high."""
    split: str = r"(?<=[.!?])\s+|\n+"
    """Regular expression; a claim ends where a match ends."""
    paragraph: str = r"\n\s*\n"
    """Regular expression; a paragraph ends where a match ends."""
    ask: ClaimTemplate = "{prompt}\n{claim}\nIs it true? Say true, false or unknown.\n"
    r"""How the generator is asked whether a claim is true. On the command line \n, \t and \\ are a line break, a tab
    and a backslash."""
    unknown: PlainText = "unknown"
    """What its answer holds where it does not know."""
    rewrite: ClaimTemplate = "{prompt}\n{claim}\nThis is wrong: {critique}\nCorrected:\n"
    """How it is asked to rewrite a claim; the first line of its answer takes the claim's place."""
    nothing: PlainText = "I do not know."
    """What is taught where no claim of any response is left; empty teaches nothing there."""
    critic: CritiqueForm = field(default_factory=CritiqueForm)
    """How a judge that is a language model is asked."""
    prompt_column: str = "prompt"
    """Column with the prompt: a text or chat messages."""
    documents_column: str = "documents"
    """Column with a list of texts that claims are checked by; empty for a judge that needs none."""
    chat: bool = False
    """Make each prompt the message of a user, which the model's chat template renders."""

    def __post_init__(self) -> None:
        for name in ("split", "paragraph"):
            try:
                re.compile(getattr(self, name))
            except re.error as error:
                what = f"is no regular expression ({error})"
                raise SteelyardError(what, where=f"{ID}.{name}", hint=r"write one, such as \n+ for lines") from error
        require(bool(self.unknown.strip()), "is empty", where=f"{ID}.unknown", hint="write what means not to know")

    def columns(self) -> tuple[Column, ...]:
        """The prompt and its documents."""
        prompt = Column(self.prompt_column, "prompt", "--prompt-column")
        documents = Column(self.documents_column, "texts", "--documents-column")
        return (prompt, documents) if self.documents_column else (prompt,)

    def asks(self) -> tuple[Tool, ...]:
        """Who writes, and who judges claims."""
        return "generator", "judge"

    def build(self, part: Sequence[Record], every: Sequence[Record], tools: Tools) -> list[Record]:
        """At most `top` records of each, without responses of which the judge cannot tell a claim."""
        if not part:
            return []
        names = sorted({name for record in every for name in record.fields})
        drafts = self._sampled(part, tools)
        for number in range(self.rounds):
            drafts = self._revised(drafts, number, names, tools)
        drafts = self._written(drafts, self.rounds, tools)
        own = self._judged([(draft, draft.sampled) for draft in drafts], names, tools)
        left = [(draft, draft.text or (self.nothing if draft.edits else "")) for draft in drafts]
        revised = self._judged(left, names, tools)
        return [
            derive(self, tools, fields, record, number=place)
            for record in part
            for place, fields in enumerate(self._taught(own[record.id], revised[record.id], tools))
        ]

    # Responses and their revision

    def _sampled(self, part: Sequence[Record], tools: Tools) -> list[Draft]:
        """The candidates of each record."""
        asked = [
            (record, worded(record.fields[self.prompt_column], "{prompt}", self.chat, "", f"record {record.id}"))
            for record in part
        ]
        questions = [Question(prompt, (ID, record.id), n) for record, prompt in asked for n in range(self.samples)]
        said = tools.generate(questions)
        places = itertools.product(asked, range(self.samples))
        return [Draft(*one, n, text, text) for (one, n), text in zip(places, said, strict=True)]

    def _written(self, drafts: Sequence[Draft], number: int, tools: Tools) -> list[Draft]:
        """The drafts, gone on with where the rest is still to be written."""
        waiting = [draft for draft in drafts if draft.left is None]
        questions = [
            Question(after(draft.prompt, draft.done), (*_address(draft), "go on", str(number)), draft.number)
            for draft in waiting
        ]
        said = iter(tools.generate(questions))
        return [draft if draft.left is not None else replace(draft, left=next(said)) for draft in drafts]

    def _revised(self, drafts: Sequence[Draft], number: int, names: Sequence[str], tools: Tools) -> list[Draft]:
        """The drafts with one more paragraph revised."""
        drafts = self._written(drafts, number, tools)
        cuts = [fragments(draft.left or "", self.paragraph) for draft in drafts]
        claims = [claims_of(d, d.done, cut[0], self.split) if cut else [] for d, cut in zip(drafts, cuts, strict=True)]
        every = [claim for row in claims for claim in row]
        critiques = self._critiques(every, names, tools)
        wrong = [(i, one) for i, one in enumerate(critiques) if one is not None and one.label != "supported"]
        edits = self._edits([(every[i], critique) for i, critique in wrong], number, tools)
        made = iter({i: edit for (i, _), edit in zip(wrong, edits, strict=True)}.get(i) for i in range(len(every)))
        rows = [[*itertools.islice(made, len(row))] for row in claims]
        return [moved(*one) for one in zip(drafts, cuts, claims, rows, strict=True)]

    def _edits(self, wrong: Sequence[tuple[Claim, Critique]], number: int, tools: Tools) -> list[Edit]:
        """What becomes of each claim that is not supported."""
        counts: dict[tuple[str, int], int] = defaultdict(int)
        places = []
        for claim, _ in wrong:
            counts[claim.draft.record.id, claim.draft.number] += 1
            places.append(str(counts[claim.draft.record.id, claim.draft.number]))

        def said(template: str, chosen: Sequence[int]) -> list[str]:
            return tools.generate(
                [self._question(template, *wrong[i], (template, str(number), places[i])) for i in chosen]
            )

        everyone = range(len(wrong))
        asked = said(self.ask, everyone) if self.lesser_known == "remove" else [""] * len(wrong)
        known = [i for i in everyone if self.unknown.casefold() not in asked[i].casefold()]
        mended = dict(zip(known, said(self.rewrite, known), strict=True))
        now = [next(iter(mended.get(i, "").strip().splitlines()), "").strip() for i in everyone]
        return [Edit(c.text.strip(), why.label, why.text, now[i]) for i, (c, why) in enumerate(wrong)]

    def _question(self, template: str, claim: Claim, critique: Critique, place: tuple[str, ...]) -> Question:
        """What the generator is asked of a claim, without documents."""
        prompt = claim.draft.prompt
        said = {"prompt": question_of(prompt), "claim": claim.text.strip(), "critique": critique.text}
        text = filled(template, said)
        asked: Text = text if isinstance(prompt, str) else [{"role": "user", "content": text}]
        return Question(asked, (*_address(claim.draft), *place), claim.draft.number)

    # Claims and their judge

    def _critiques(self, claims: Sequence[Claim], names: Sequence[str], tools: Tools) -> list[Critique | None]:
        """What the judge says of each claim; one that gives numbers gives no reasons."""
        columns: dict[str, Sequence[object]] = {
            name: [claim.draft.record.fields.get(name) for claim in claims] for name in names
        }
        columns[BEFORE] = [claim.before for claim in claims]
        prompts = [claim.draft.prompt for claim in claims]
        texts = [claim.text.strip() for claim in claims]
        if isinstance(tools.judge, Critic):
            taken = ", ".join(sorted({"prompts", "completions"} & {*columns}))
            require(not taken, f"{taken} would hide an argument of the judge", where="--rows", hint="rename the column")
            return tools.judge.criticise(prompts, texts, **columns)
        rated = tools.rate(prompts, texts, columns)
        return [None if r is None else Critique("supported" if r >= self.threshold else "unverified") for r in rated]

    def _judged(
        self, texts: Sequence[tuple[Draft, str]], names: Sequence[str], tools: Tools
    ) -> dict[str, list[Response]]:
        """The responses by the record's id, less blank ones and those with a claim of which the judge cannot tell."""
        claims = [[] if text == self.nothing else claims_of(draft, "", text, self.split) for draft, text in texts]
        said = iter(self._critiques([claim for row in claims for claim in row], names, tools))
        found: dict[str, list[Response]] = defaultdict(list)
        for (draft, text), row in zip(texts, claims, strict=True):
            critiques = [*itertools.islice(said, len(row))]
            supported = sum(one is not None and one.label == "supported" for one in critiques)
            if text.strip() and None not in critiques:
                found[draft.record.id].append(Response(draft, text, supported, len(row)))
        return found

    # What is taught

    def _taught(self, own: Sequence[Response], revised: Sequence[Response], tools: Tools) -> list[JsonMapping]:
        """The columns of the best revised responses, each beside one of a lower score."""
        distinct = {one.text: one for one in reversed(revised)}
        ranked = sorted(distinct.values(), key=lambda one: (-one.score, -one.supported, one.draft.number))
        ranked = [one for one in ranked if one.claims] or ranked  # to know nothing is the last resort
        others = {one.text: one for one in (*revised, *(own if self.rejected == "any" else ()))}
        return [self._row(one, [*others.values()], place, tools) for place, one in enumerate(ranked[: self.top])]

    def _row(self, best: Response, others: Sequence[Response], place: int, tools: Tools) -> JsonMapping:
        record = best.draft.record
        lower = [one for one in others if one.score < best.score]
        drawn = int(tools.rng(ID, record.id, place).integers(len(lower))) if lower else 0
        beside = lower[drawn] if lower else best
        return {
            **record.fields,
            "prompt": best.draft.prompt,
            "answer": best.text,
            "chosen": best.text,
            "rejected": beside.text,
            "score": best.score,
            "rejected_score": beside.score,
            "supported": best.supported,
            "claims": best.claims,
            "sampled": best.draft.sampled,
            "edits": [asdict(edit) for edit in best.draft.edits],
        }


def _address(draft: Draft) -> tuple[str, str]:
    """That of a draft's randomness, with its number as the sample."""
    return ID, draft.record.id
