"""A router between two guards of your own: steelyard train saferoute --texts t.jsonl --small MODEL --large MODEL."""

from steelyard.guard.route_job import Routing

RECIPE = Routing()
