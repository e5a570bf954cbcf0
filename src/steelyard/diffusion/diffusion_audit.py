"""The interface of audits of diffusion models: a model and images in, a table out; the model stays as it is.

It is to a diffusion model what `steelyard.policy.auditor` is to a model that writes: settings with `@method(id, ...)`
above them, named rows, and columns with units.
"""

from typing import Protocol, runtime_checkable

from steelyard.core.table import Table
from steelyard.diffusion.images import Images
from steelyard.diffusion.saved import SavedDiffusion


@runtime_checkable
class DiffusionAuditor(Protocol):
    """Settings of an audit."""

    def audit_diffusion(self, saved: SavedDiffusion, images: Images) -> Table:
        """Measure the model on images. Two calls agree, and the order of the images does not matter.

        Raises:
            SteelyardError: the images lack something, or are not like the model's.
        """
        ...
