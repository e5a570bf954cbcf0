"""Names taken for another: steelyard train rocr --model DIR --forget named.jsonl --retain r.jsonl --redirect NAME."""

from steelyard.unlearn.edit_job import ForgetByEdit

RECIPE = ForgetByEdit()
