"""A run's records shown elsewhere too: TensorBoard, trackio, Weights & Biases, MLflow. The files stay the truth."""

from steelyard.report.track.mirror import TRACKERS, Mirror, check_trackers, show_again
from steelyard.report.track.tracker import Tracked, Tracker

__all__ = ["TRACKERS", "Mirror", "Tracked", "Tracker", "check_trackers", "show_again"]
