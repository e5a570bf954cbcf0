"""`steelyard plan RECIPE`: costs, simulated runs, and what is recommended."""

import pytest

GIVEN = ("--cost.wave", "2", "--cost.step", "1", "--steps", "20")


def test_given_costs_on_a_device_each(call, tmp_path):
    picture = tmp_path / "plan.png"
    words = (*GIVEN, "--cores", "own", "--searchers", "1,2,4", "--price", "2", "--plot", str(picture), "--json")
    answer = call("plan", "arithmetic", *words)
    assert answer.code == 0, answer.err
    rows = {row["searchers"]: row for row in answer.json["rows"]}
    assert [round(row["steps_per_s"], 2) for row in rows.values()] == [1.0, 1.0, 1.0]
    assert [round(row["uses"], 1) for row in rows.values()] == [2.0, 1.0, 0.5]
    [chosen] = answer.json["recommended"]
    assert chosen["searchers"] == 2
    assert chosen["device_hours"] == pytest.approx(3 * 100 / 3600, rel=0.02)
    assert chosen["price"] == pytest.approx(2 * chosen["device_hours"])
    assert "weights every step: 2 searchers are enough" in answer.out
    assert max(map(len, answer.out.splitlines()[:-1])) <= 120
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_where_no_number_is_enough_it_says_so(call):
    answer = call("plan", "arithmetic", *GIVEN, "--cores", "own", "--searchers", "1", "--json")
    assert answer.json["recommended"] == [{"sync": 1, "searchers": None}]
    assert "none of these is enough; with 1 searchers a completion is drawn 2 times" in answer.out


def test_costs_are_measured(call, few_arithmetic):
    answer = call("plan", "arithmetic", *few_arithmetic, "--searchers", "1,2", "--cores", "2", "--json")
    assert answer.code == 0, answer.err
    assert all(seconds > 0 for seconds in answer.json["costs"].values())
    assert [row["device_hours"] for row in answer.json["rows"]] == [None, None]
    assert "measuring, each part alone:" in answer.err


def test_help_names_its_own_options(capsys):
    from steelyard.cli import main

    with pytest.raises(SystemExit):
        main(["plan", "--help"])
    told = capsys.readouterr().out
    assert "--cost.wave" in told
    assert "steelyard train RECIPE" in told
