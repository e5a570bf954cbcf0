"""Forgetting request after request: steelyard train o3 --model DIR --forget f.jsonl; --start RUN for the next one."""

from steelyard.unlearn.continual_job import ForgetContinually

RECIPE = ForgetContinually()
