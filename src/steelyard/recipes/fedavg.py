"""Federated tuning that shares all of each client's adapters: train fedavg --model DIR --path r.jsonl --clients 4."""

from steelyard.pretrain.federated_job import FederatedTuning
from steelyard.pretrain.fedrand import FedAvg

RECIPE = FederatedTuning(sharing=FedAvg(), learning_rate=1e-4)
