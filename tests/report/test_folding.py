import io
import sys

from steelyard.report.folding import fold, say, say_out


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_lines_are_folded_between_words_and_paths_stay_whole():
    assert fold("short", 5) == "short"
    assert fold("  one two three", 10) == "  one two\n      three"
    assert fold("at /a/long/path-to/a/file here", 10) == "at\n    /a/long/path-to/a/file\n    here"


def test_a_pipe_gets_whole_lines_and_a_terminal_folded_ones(monkeypatch):
    monkeypatch.setenv("COLUMNS", "10")
    for print_, stream in ((say, "stderr"), (say_out, "stdout")):
        for place, text in ((io.StringIO(), "one two three\n"), (Terminal(), "one two\n    three\n")):
            monkeypatch.setattr(sys, stream, place)
            print_("one two three")
            assert place.getvalue() == text
