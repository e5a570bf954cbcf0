"""What the settings of jobs have in common whose run writes one thing that is fitted, and that is measured as it is."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, TypeVar

import tyro

from steelyard.core import checked
from steelyard.core.job import DrivenSettings

Own = TypeVar("Own", bound="FittingSettings")


@checked()
@dataclass(frozen=True)
class FittingSettings(DrivenSettings):
    """Settings of a job that fits something, or measures what it has fitted."""

    fitted: Annotated[str, tyro.conf.Suppress] = ""
    """What an earlier run of the job wrote, to be measured as it is; empty to fit it."""

    def trained(self: Own, model: Path) -> Own:
        """The same job on what it wrote."""
        return replace(self, fitted=str(model))
