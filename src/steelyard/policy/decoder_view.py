"""A model of transformers as a decoder of our own, made of the same parts: so that its prompts can be shared.

Adapters stand in the modules of transformers, and so do the parameters that are trained and saved. The decoder here
holds these very modules (embedding, linear maps with their adapters, norms) and puts its own attention between them.
Nothing is copied; what one of the two computes, the other computes up to rounding.
"""

from typing import Any

import torch

from steelyard.model import Architecture, Decoder


def decoder_over(model: Any, architecture: Architecture) -> Decoder:
    """The decoder; hooks of whole layers and of attention are not called in it.

    Args:
        model: a causal language model of transformers, perhaps with adapters.
        architecture: what its config describes; the names of the parameters are those of `Architecture.shapes`.
    """
    like = model.get_input_embeddings().weight
    with torch.device("meta"):
        view = Decoder(architecture, like.dtype)
    holders = [name for name, module in view.named_modules() if [*module.parameters(recurse=False)]]
    for name in holders:
        view.set_submodule(name, model.get_submodule(name))
    with torch.device(like.device):
        view.count_positions()
    return view
