"""Images with a trigger are found and left out: steelyard train patchsearch --images captioned.npz."""

from steelyard.guard.patchsearch_job import Searching

RECIPE = Searching()
