from steelyard.experiments.harness.table import markdown, numbers_right, show


def test_a_table_on_the_terminal(capsys):
    show("a title", ["name", "value"], [["one", "1.0"], ["two", "22.0"]])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].strip() == "a title"
    assert [line.split("│")[1:3] for line in lines if "one" in line or "two" in line] == [
        [" one  ", "   1.0 "],
        [" two  ", "  22.0 "],
    ]


def test_a_table_in_markdown_whose_numbers_stand_right():
    rows = [["a|b", "1 [0, 2]"], ["c", "never"]]
    text = "| x | y |\n| --- | ---: |\n| a\\|b | 1 [0, 2] |\n| c | never |"
    assert markdown(["x", "y"], rows, numbers_right(rows)) == text
    assert markdown(["x"], [], numbers_right([])) == "| x |\n| --- |"


def test_a_wide_table_comes_in_parts_each_with_the_first_column(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "25")
    show("wide", ["arm", "first", "second", "third"], [["ours", "0.5 [0, 1]", "0.25", "0.125"]])
    out = capsys.readouterr().out
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines() if line.startswith("│")]
    assert cells == [["ours", "0.5 [0, 1]"], ["ours", "0.25", "0.125"]]
    assert max(map(len, out.splitlines())) <= 25


def test_rows_with_long_words_are_paragraphs_where_the_table_is_too_wide(capsys, monkeypatch):
    claim = "Ours is ten points above theirs on what was held out"
    rows = [[claim, "accuracy", ""], ["At no cost", "cost", "[bold]none"]]
    monkeypatch.setenv("COLUMNS", "40")
    show("judged", ["claim", "metric", "control"], rows)
    assert capsys.readouterr().out == (
        "judged\n\nOurs is ten points above theirs on what\n    was held out\n  metric   accuracy\n\n"
        "At no cost\n  metric   cost\n  control  [bold]none\n\n"
    )
    monkeypatch.setenv("COLUMNS", "120")
    show("judged", ["claim", "metric", "control"], rows)
    assert f"│ {claim} │ accuracy │" in capsys.readouterr().out


def test_what_is_too_wide_is_folded_and_never_cut(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    show("wide", ["metric", "one-long-name"], [["regret-where-rewards-are-rare", "0.0072 [0.0061, 0.0616]"]])
    out = capsys.readouterr().out
    assert "…" not in out
    cells = [[cell.strip() for cell in line.split("│")[1:3]] for line in out.splitlines() if line.startswith("│")]
    assert "".join(left for left, _ in cells) == "regret-where-rewards-are-rare"
