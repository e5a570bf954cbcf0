"""Summaries of your own conversations: steelyard train conversation-summaries --rows f.jsonl --generator DIR."""

from steelyard.data.job import Building
from steelyard.data.summaries import ConversationSummaries

RECIPE = Building(builder=ConversationSummaries())
