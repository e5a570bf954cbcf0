from steelyard.core import moved
from steelyard.core.moved import current_metrics, first_metrics, first_name


def test_a_name_in_a_proof_is_read_as_it_was_first(monkeypatch):
    monkeypatch.setattr(moved, "NAMES", {"addends": "many_answers"})
    assert first_name("many_answers") == "addends"
    assert first_name("max_logp_mismatch") == "parity_bound"  # a setting
    assert first_name("replay/unknown_version") == "replay/foreign"  # a metric
    assert first_name("accuracy") == "accuracy"


def test_metrics_keep_their_names_there_and_back():
    row = {"search/parity_max": 0.1, "loss": 2.0}
    assert current_metrics(row) == {"search/logp_mismatch_max": 0.1, "loss": 2.0}
    assert first_metrics(current_metrics(row)) == row
