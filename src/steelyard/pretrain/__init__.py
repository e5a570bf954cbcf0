"""Pretraining on scored documents: nothing is sampled, and no verifier runs in the loop.

Either the data are prepared (`PHF`, which is conditional training, and `Filtering`), or tokens are weighted by their
scores (`Unlikelihood`, `AWR`, `RWR`). Documents become trajectories for any learner; plain likelihood is `SFT`.
"""

from steelyard.pretrain.as_given import AsGiven
from steelyard.pretrain.awr import AWR
from steelyard.pretrain.document import Document, Preparation, Segment, document, trajectory_of
from steelyard.pretrain.dress import DRESS
from steelyard.pretrain.fedrand import FedAvg, FedRand
from steelyard.pretrain.filtering import Filtering
from steelyard.pretrain.magic_token import MagicToken
from steelyard.pretrain.phf import PHF
from steelyard.pretrain.rwr import RWR
from steelyard.pretrain.spectrum import Spectrum
from steelyard.pretrain.training_orders import TrainingOrders
from steelyard.pretrain.unlikelihood import Unlikelihood

__all__ = [
    "AWR",
    "DRESS",
    "PHF",
    "RWR",
    "AsGiven",
    "Document",
    "FedAvg",
    "FedRand",
    "Filtering",
    "MagicToken",
    "Preparation",
    "Segment",
    "Spectrum",
    "TrainingOrders",
    "Unlikelihood",
    "document",
    "trajectory_of",
]
