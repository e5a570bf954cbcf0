"""A retriever of conversations from their summaries: steelyard train convretrieval --path f.jsonl --encoder DIR."""

from steelyard.data.convretrieval import ConvRetrieval
from steelyard.data.retriever_job import RetrieverJob

RECIPE = RetrieverJob(rule=ConvRetrieval())
