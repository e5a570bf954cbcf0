import msgspec
import pytest
import torch

from steelyard.core import SteelyardError
from steelyard.model import MeanShift, Pass
from steelyard.model.intervention_file import SETTINGS, TENSORS, read_intervention, write_intervention

SOURCE = {"layers.1": torch.tensor([[0.0, 1.0], [2.0, 1.0]])}
TARGET = {"layers.1": torch.tensor([[4.0, 0.0]])}
READS = Pass(torch.tensor([[7, 8]]), torch.ones(1, 2, dtype=torch.bool), torch.tensor([[True, False]]))


def test_by_hand():
    # v = (4, 0) - (1, 1) = (3, -1); half of it is added to the token after the prompt.
    fitted = MeanShift(layer=1, strength=0.5).fit(SOURCE, TARGET)
    assert fitted.sites(2) == ("layers.1",)
    hidden = torch.zeros(1, 2, 2)
    assert fitted.change("layers.1", hidden, READS).tolist() == [[[0.0, 0.0], [1.5, -0.5]]]
    everywhere = MeanShift(layer=1, strength=-1.0, where="all").fit(SOURCE, TARGET)
    assert everywhere.change("layers.1", hidden, READS).tolist() == [[[-3.0, 1.0], [-3.0, 1.0]]]


def test_a_shift_comes_back_from_its_files(tmp_path):
    fitted = MeanShift(layer=1, strength=0.5).fit(SOURCE, TARGET)
    write_intervention(fitted, tmp_path / "steer")
    back = read_intervention(tmp_path / "steer")
    assert back.method == fitted.method
    assert back.tensors["layers.1"].tolist() == [3.0, -1.0]


def test_files_that_are_none(tmp_path):
    with pytest.raises(SteelyardError, match=r"holds no intervention; give a directory .* RUN/model of a run"):
        read_intervention(tmp_path)
    write_intervention(MeanShift().fit({"layers.0": SOURCE["layers.1"]}, {"layers.0": TARGET["layers.1"]}), tmp_path)
    (tmp_path / SETTINGS).write_bytes(msgspec.json.encode({"method": "rloo", "module": "steelyard.objective.rloo"}))
    with pytest.raises(SteelyardError, match=r"intervention.json: names no intervention"):
        read_intervention(tmp_path)
    (tmp_path / TENSORS).write_bytes(b"no")
    with pytest.raises(SteelyardError, match="no intervention can be read"):
        read_intervention(tmp_path)
