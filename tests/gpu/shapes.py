"""What the tests of this directory share."""

import torch

CUDA = torch.device("cuda", 0)
