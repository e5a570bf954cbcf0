"""Your own rows under constraints: steelyard train rows-crpg --model DIR --path FILE --constraint guard:RUN."""

from dataclasses import replace

from steelyard.objective import CRPG
from steelyard.recipes.rows import RECIPE as ROWS

RECIPE = replace(ROWS, objective=CRPG())
