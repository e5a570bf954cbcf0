"""JSON as Python holds it: rows of records, states in checkpoints, settings in files, messages between processes."""

from collections.abc import Mapping
from typing import Any

JsonObject = dict[str, Any]
"""An object of JSON: names of numbers, texts, booleans, nulls, and of lists and objects of the same."""
JsonMapping = Mapping[str, Any]
"""The same, to read only."""
