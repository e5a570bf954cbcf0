"""Tables, plots and pages from a run's records alone."""

from steelyard.report.model_card import write_model_card
from steelyard.report.page import write_comparison, write_report
from steelyard.report.picture import draw_runs
from steelyard.report.pipeline_page import write_pipeline_report
from steelyard.report.records import RunRecords, read_rows, read_run
from steelyard.report.terminal import curve_text

__all__ = [
    "RunRecords",
    "curve_text",
    "draw_runs",
    "read_rows",
    "read_run",
    "write_comparison",
    "write_model_card",
    "write_pipeline_report",
    "write_report",
]
