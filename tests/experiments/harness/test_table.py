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


def test_what_is_too_wide_is_folded_and_never_cut(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    show("wide", ["metric", "one-long-name"], [["regret-where-rewards-are-rare", "0.0072 [0.0061, 0.0616]"]])
    out = capsys.readouterr().out
    assert "…" not in out
    cells = [[cell.strip() for cell in line.split("│")[1:3]] for line in out.splitlines() if line.startswith("│")]
    assert "".join(left for left, _ in cells) == "regret-where-rewards-are-rare"
