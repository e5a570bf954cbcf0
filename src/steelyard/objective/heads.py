"""The one trained head: a linear map of a state to a number, which begins at 0 for everyone."""

from jaxtyping import Float
from torch import Tensor, nn


class LinearHead(nn.Module):
    """D hidden features to one number; starts at 0. The gradient reaches what made the features."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.linear = nn.Linear(hidden_size, 1)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, hidden: Float[Tensor, "N D"]) -> Float[Tensor, "N"]:
        """The number of each state."""
        return self.linear(hidden).squeeze(-1)
