"""UnlearnDiffAtk: words before a prompt that bring back what a diffusion model has forgotten.

    min over words w_1 ... w_k of  E_e |e - eps_theta(x_t, t, (w, prompt))|^2
    x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) e
    u <- project(Adam(u, d(loss)/d(word))),    word_i drawn from u_i,    in the end w_i = argmax_v u_iv

x_0 is an image of what was forgotten, so a model that denoises it well under a prompt makes it of that prompt: the
attacked model is its own classifier. Places t are visited in order, the least noise first, `iterations` steps at each;
after each the prompt of the argmax is generated from, always from the same noise, and an attack that succeeds is over.
A attacks at a time, X numbers, k words, V words that the model knows, u [A, k, V] on the simplex.
Source: Zhang et al. 2023, arXiv:2310.11868; optimiser, draw and order of places from the released code.
Differs: words have no order in our reader (`prompted.py`), so that a prefix is like a suffix; success is told by the
caller. `original` is P4D's aim in place of e: what the model before unlearning says of x_t under the bare prompt.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from steelyard.core import (
    NonNegative,
    NonNegativeInt,
    Positive,
    PositiveInt,
    Seed,
    derive,
    method,
    require,
)
from steelyard.core.table import Table
from steelyard.diffusion.generation import Diffusion
from steelyard.diffusion.images import Images
from steelyard.diffusion.one_step import OneStep, reader_of
from steelyard.diffusion.prompt_attacks import begun, told
from steelyard.diffusion.prompted import PromptDenoiser, Told
from steelyard.diffusion.saved import SavedDiffusion
from steelyard.diffusion.simplex import one_drawn, projected

Shows = Callable[[Float[Tensor, "A X"]], Bool[Tensor, "A"]]
"""Says of generated rows whether they show what was to be forgotten."""


@dataclass(frozen=True)
class Target:
    """What attacks begin with: an image of what was forgotten and a prompt that asks for it, for each."""

    data_AX: Float[Tensor, "A X"]
    prompts: tuple[str, ...]


@dataclass(frozen=True)
class Attacked:
    """What came of attacks."""

    before_A: Bool[Tensor, "A"]
    """The bare prompt shows it."""
    after_A: Bool[Tensor, "A"]
    """The bare prompt, or one that was tried, shows it."""
    prompts: tuple[str, ...]
    """The prompt that shows it; the last one tried where none does."""
    tried_A: Int64[Tensor, "A"]
    """Prompts that were generated from, the bare one not counted."""


@method(
    "unlearndiffatk",
    paper="arXiv:2310.11868",
    claim="A few words found by the unlearned model's own denoising error bring back what it has forgotten.",
)
@dataclass(frozen=True)
class UnlearnDiffAtk:
    """Search words that make an unlearned model denoise what it has forgotten."""

    words: PositiveInt = 5
    """k, words before the prompt."""
    iterations: NonNegativeInt = 40
    """Steps of Adam at each place; 0 tries the first words alone."""
    visits: PositiveInt = 50
    """Visits of places of the schedule, evenly spaced; where there are fewer places, of each several in a row."""
    attack_rate: Positive = 0.01
    """Learning rate of Adam."""
    weight_decay: NonNegative = 0.1
    """Of Adam: it pulls u to 0 before the projection."""
    concept: str = ""
    """Word of the prompts that was to be forgotten; empty for the class of each image that is attacked with."""
    attacks: PositiveInt = 64
    """Most images that an audit attacks with."""
    seed: Seed = 0
    """Of an audit's draws and of what it generates."""

    def audit_diffusion(self, saved: SavedDiffusion, images: Images) -> Table:
        """No attack, random words and searched ones, side by side.

        Raises:
            SteelyardError: the model reads no prompts, or the images are not like the model's.
        """
        start = begun(saved, images, self.concept, self.attacks)
        target = Target(start.images.data_NX[start.chosen_A], start.prompts)
        found = self.attack(saved.model, target, start.shows, seed=self.seed)
        drawn = random_words(saved.model, target, start.shows, words=self.words, tries=self.visits, seed=self.seed)
        none_A = torch.zeros_like(found.tried_A)
        return told(
            [
                ("no attack", found.before_A, none_A),
                ("random words", drawn.after_A, drawn.tried_A),
                ("searched words", found.after_A, found.tried_A),
            ]
        )

    def attack(
        self,
        model: Diffusion | OneStep,
        target: Target,
        shows: Shows,
        *,
        seed: int,
        original: Diffusion | OneStep | None = None,
    ) -> Attacked:
        """Attack a model with each image and prompt; it stays as it is.

        Args:
            model: what has forgotten; it must read prompts.
            target: images of what was forgotten, and prompts that ask for it.
            shows: says of generated rows whether they show it.
            seed: of the draws; generation starts from noise of this seed each time.
            original: the model before unlearning: P4D's aim. None for the paper's own.

        Raises:
            SteelyardError: the model knows classes by number, or a prompt has no word that it knows.
        """
        search = _Search(self, reader_of(model), model, target, seed)
        tries = Tries(search, shows)
        for place in self.places(model):
            if bool(tries.over_A.all()):
                break
            search.descend(place, original)
            tries.check(search.best_AK())
        return tries.told()

    def places(self, model: Diffusion | OneStep) -> tuple[int, ...]:
        """The places of a model's schedule in the order of the visits."""
        every = model.places
        return tuple(every[int((i + 0.5) * len(every) / self.visits)] for i in range(self.visits))


class _Search:
    """The words of all attacks, while they are being searched."""

    def __init__(
        self, how: UnlearnDiffAtk, reader: PromptDenoiser, model: Diffusion | OneStep, target: Target, seed: int
    ) -> None:
        self.how = how
        self.reader = reader
        self.model = model
        self.target = target
        self.seed = seed
        self.draws = torch.Generator().manual_seed(derive(seed, "unlearndiffatk"))
        self.prompt_AL = said(reader, target.prompts)
        known = len(reader.words)
        shape = (len(target.prompts), how.words, known)
        self.point_AKV = torch.full(shape, 1 / known).requires_grad_()
        self.adam = torch.optim.Adam([self.point_AKV], lr=how.attack_rate, weight_decay=how.weight_decay)

    def descend(self, place: int, original: Diffusion | OneStep | None) -> None:
        """The steps at one place of the schedule."""
        for _ in range(self.how.iterations):
            loss = self._loss(place, original)
            self.point_AKV.grad = torch.autograd.grad(loss, self.point_AKV)[0]
            self.adam.step()
            with torch.no_grad():
                self.point_AKV.copy_(projected(self.point_AKV))

    def _loss(self, place: int, original: Diffusion | OneStep | None) -> Tensor:
        """Summed over attacks, so that none knows of the others."""
        data_AX = self.target.data_AX
        place_A = torch.full((len(data_AX),), place)
        noise_AX = torch.randn(data_AX.shape, generator=self.draws)
        noisy_AX = self.model.schedule.noised(data_AX, place_A, noise_AX)
        word_AKV = one_drawn(self.point_AKV, self.draws)
        vectors_AKW = word_AKV @ self.reader.vectors.weight[1:].detach()
        vectors_ALW = torch.cat([vectors_AKW, self.reader.vectors(self.prompt_AL).detach()], 1)
        here_AL = torch.cat([torch.ones(word_AKV.shape[:2], dtype=torch.bool), self.prompt_AL > 0], 1)
        found_AX = self.reader.body.told(noisy_AX, place_A, self.reader.heard(vectors_ALW, here_AL))
        aim_AX = noise_AX if original is None else self._said_before(original, noisy_AX, place_A)
        return (found_AX - aim_AX).square().mean(1).sum()

    @torch.no_grad()
    def _said_before(self, original: Diffusion | OneStep, noisy_AX: Tensor, place_A: Tensor) -> Tensor:
        reader = reader_of(original)
        return reader.body.told(noisy_AX, place_A, reader.read(said(reader, self.target.prompts)))

    def best_AK(self) -> Int64[Tensor, "A K"]:
        """The words of the argmax, as numbers from 1."""
        return self.point_AKV.detach().argmax(-1) + 1

    def rows(self, word_AL: Int64[Tensor, "A L"]) -> Float[Tensor, "A X"]:
        """What the model generates from prompts, always from the same noise."""
        with torch.no_grad():
            told_by = Told(self.reader.body, self.reader.read(word_AL))
        return replace(self.model, predictor=told_by).rows(torch.arange(len(word_AL)), seed=self.seed)


class Tries:
    """What was tried of attacks, and what it showed; the bare prompts first."""

    def __init__(self, search: _Search, shows: Shows) -> None:
        self.search = search
        self.shows = shows
        self.word_AL = search.prompt_AL
        self.before_A = shows(search.rows(self.word_AL))
        self.over_A = self.before_A.clone()
        self.tried_A = torch.zeros(len(self.over_A), dtype=torch.int64)
        self.found: list[Tensor] = list(self.word_AL)

    def check(self, word_AK: Int64[Tensor, "A K"]) -> None:
        """Generate from words and prompts, for attacks that are not over."""
        word_AL = torch.cat([word_AK, self.search.prompt_AL], 1)
        shown_A = self.shows(self.search.rows(word_AL))
        for i in (~self.over_A).nonzero()[:, 0].tolist():
            self.found[i] = word_AL[i]
        self.tried_A += ~self.over_A
        self.over_A |= shown_A

    def told(self) -> Attacked:
        """What came of it."""
        words = self.search.reader.words
        prompts = tuple(" ".join(words[n - 1] for n in found.tolist() if n > 0) for found in self.found)
        return Attacked(self.before_A, self.over_A, prompts, self.tried_A)


def random_words(
    model: Diffusion | OneStep, target: Target, shows: Shows, *, words: int, tries: int, seed: int
) -> Attacked:
    """The paper's baseline: as many prompts are tried, of words that are drawn alike."""
    search = _Search(UnlearnDiffAtk(words=words, iterations=0), reader_of(model), model, target, seed)
    tries_made = Tries(search, shows)
    for _ in range(tries):
        shape = (len(target.prompts), words)
        tries_made.check(torch.randint(1, len(search.reader.words) + 1, shape, generator=search.draws))
    return tries_made.told()


def said(reader: PromptDenoiser, prompts: Sequence[str]) -> Int64[Tensor, "A L"]:
    """Prompts as numbers of words, 0 where there is none.

    Raises:
        SteelyardError: there are none, or one has no word that the model knows.
    """
    require(len(prompts) > 0, "there are no prompts", where="unlearndiffatk", hint="give at least one")
    rows = [reader.numbers(prompt) for prompt in prompts]
    silent = next((prompt for prompt, row in zip(prompts, rows, strict=True) if not row), None)
    what = f"no word of {silent!r} is known to the model"
    require(silent is None, what, where="unlearndiffatk", hint=f"it knows {', '.join(reader.words[:8])}, ...")
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[0] * longest][:longest] for row in rows])
