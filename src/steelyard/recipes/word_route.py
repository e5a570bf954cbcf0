"""A router by words between two guards: steelyard train word-route --texts t.jsonl --small MODEL --large MODEL."""

from steelyard.guard.route_job import Routing
from steelyard.guard.word_route import WordRoute

RECIPE = Routing(router=WordRoute())
