import time

from steelyard.runtime.roles.supervision import Restarts


def test_a_worker_is_due_once_when_its_time_has_come(monkeypatch):
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    restarts = Restarts()
    restarts.put("searcher 0", 2.0)
    restarts.put("searcher 1", 5.0)
    assert restarts.due() == []
    now = 102.0
    assert restarts.due() == ["searcher 0"]
    assert restarts.due() == []
    restarts.clear()
    now = 200.0
    assert restarts.due() == []
