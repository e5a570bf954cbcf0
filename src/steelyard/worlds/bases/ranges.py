"""What the learning rate of a base model may be."""

from typing import Annotated

from msgspec import Meta

LearningRate = Annotated[float, Meta(gt=0, lt=1, description="a number above 0, below 1")]
