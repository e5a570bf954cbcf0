"""UnifiedM2: one encoder with a head for each of several tasks, which learn together and help each other.

Differs: no early stopping by a validation set (the authors stop when macro-F1 has not risen for 5 epochs) and no
clipping of gradients; the run's evaluations show where it would have stopped. A step takes 32 texts of each task at
once, where their code sums the gradients of 4 batches of 8. In their code the first task's texts end an epoch, unless a
flag says that the longest task's do; `epoch` chooses. Unconfirmed: the numbers that they gain, and which of the two
epochs the paper's numbers are from.

    head_t(x) = W_2 drop(tanh(W_1 drop(h_1(x)) + b_1)) + b_2          h_1 the last hidden state of the first token
    L         = sum over tasks t that have a batch left in this epoch of mean over it of CE(y, softmax(head_t(x)))

N texts, T tokens, D hidden size, L labels of a task. Within an epoch a task whose texts are through has no batch until
the next one. With `balanced` a task's order is drawn with replacement, each label as often as any other. The learning
rate falls linearly to 0. What is learned serves a task with few labels: the same fit on that task alone, from the
encoder of this one. With one task it is plain fine-tuning of a classifier.
Source: Lee et al. 2021, arXiv:2104.05243, and its released code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from steelyard.core import NonNegative, Positive, PositiveInt, ShareBelowOne, checked, derive, method, require, rng
from steelyard.guard.task_texts import Tasks, TaskTexts
from steelyard.learner.fitting import Fitting


@runtime_checkable
class ManyHeads(Protocol):
    """A network with a head for each task."""

    def logits(self, task: str, texts: Sequence[str]) -> Float[Tensor, "N L"]:
        """What a task's head says of texts, with a gradient."""
        ...


class TaskHead(nn.Module):
    """The head of a task."""

    def __init__(self, width: int, labels: int, dropout: float, *, seed: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, width)
        self.out = nn.Linear(width, labels)
        self.dropout = nn.Dropout(dropout)
        draws = torch.Generator().manual_seed(derive(seed, "task-head") % 2**63)
        with torch.no_grad():
            for layer in (self.dense, self.out):
                layer.weight.normal_(0.0, (width + 1) ** -0.5, generator=draws)
                layer.bias.zero_()

    def forward(self, state_ND: Float[Tensor, "N D"]) -> Float[Tensor, "N L"]:
        """Logits of the task's labels."""
        return self.out(self.dropout(torch.tanh(self.dense(self.dropout(state_ND)))))


@method(
    "unified-m2",
    paper="arXiv:2104.05243",
    claim="Tasks that share an encoder do as well as apart or better, and a new task with few labels gains from it",
)
@checked()
@dataclass(frozen=True)
class UnifiedM2:
    """How several tasks learn together."""

    epochs: PositiveInt = 15
    """Passes over the texts; --max-steps, where it is given, goes before."""
    epoch: Literal["main", "longest"] = "main"
    """What ends an epoch: the texts of the first task of the file, as in the authors' code, or those of the longest."""
    batch: PositiveInt = 32
    """Texts of each task in a step."""
    balanced: bool = False
    """Draw each label of a task as often as any other."""
    dropout: ShareBelowOne = 0.1
    """Share of a head's inputs that is left out in training; the encoder leaves out what its own config says."""
    learning_rate: Positive = 5e-6
    """AdamW's highest learning rate, from which it falls to 0."""
    weight_decay: NonNegative = 0.0
    """AdamW's weight decay."""

    def steps(self, tasks: Tasks) -> int:
        """Steps of all epochs."""
        return self.epochs * self.steps_of_epoch(tasks)

    def steps_of_epoch(self, tasks: Tasks) -> int:
        """Steps of one."""
        every = [-(-len(task.texts) // self.batch) for task in tasks.values()]
        return every[0] if self.epoch == "main" else max(every)

    def batch_of(self, name: str, task: TaskTexts, step: int, steps_of_epoch: int, seed: int) -> list[int]:
        """The places of a task's texts in a step; none where they are through for this epoch."""
        epoch, turn = divmod(step, steps_of_epoch)
        draws, number = rng(seed, "unified-m2", name, epoch), len(task.texts)
        if self.balanced:
            weight_N = 1.0 / task.label_N.bincount(minlength=len(task.labels)).double()[task.label_N]
            order = draws.choice(number, size=number, p=(weight_N / weight_N.sum()).numpy())
        else:
            order = draws.permutation(number)
        return order[turn * self.batch : (turn + 1) * self.batch].tolist()

    def begin(self, module: nn.Module, net: ManyHeads, tasks: Tasks, *, seed: int, steps: int | None = None) -> Fitting:
        """The fit of encoder and heads before its first step.

        Args:
            module: whose parameters are fitted.
            net: its heads.
            tasks: the texts of each; the first is the main one.
            seed: of the order of texts, and of what is left out.
            steps: to make, in place of those of the epochs.

        Raises:
            SteelyardError: there are no tasks, or one without texts.
        """
        texts = bool(tasks) and all(task.texts for task in tasks.values())
        require(texts, "there is a task without texts, or none", where="unified-m2", hint="give some of each")
        every, each = steps or self.steps(tasks), self.steps_of_epoch(tasks)

        def loss() -> Tensor:
            of = {name: self.batch_of(name, task, fitting.steps, each, seed) for name, task in tasks.items()}
            with torch.random.fork_rng():
                torch.manual_seed(derive(seed, "unified-m2", fitting.steps) % 2**63)
                return self.loss(module, net, {name: tasks[name].part(places) for name, places in of.items() if places})

        rate = self.learning_rate
        adam = torch.optim.AdamW(module.parameters(), lr=rate, weight_decay=self.weight_decay)
        stream = rng(seed, "unified-m2")
        fitting = Fitting(module, adam, loss, stream, every, rate=lambda step: rate * (every - step) / every)
        return fitting

    def loss(self, module: nn.Module, net: ManyHeads, batches: Mapping[str, TaskTexts]) -> Float[Tensor, ""]:
        """The sum over the tasks of the mean cross-entropy of a batch of each (nats)."""
        module.train()
        each = []
        for name, task in batches.items():
            logit_NL = net.logits(name, task.texts)
            each.append(cross_entropy(logit_NL, task.label_N.to(logit_NL.device)))
        module.eval()
        return torch.stack(each).sum()
