"""Federated tuning that shares one random factor of adapters: train fedrand --model DIR --path r.jsonl --clients 4."""

from steelyard.pretrain.federated_job import FederatedTuning
from steelyard.pretrain.fedrand import FedRand

RECIPE = FederatedTuning(sharing=FedRand(), learning_rate=1e-4)
