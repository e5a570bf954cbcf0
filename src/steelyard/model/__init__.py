"""Architectures as parts: attention, positions, normalisation, feed-forward layers, and the models made of them.

A decoder of the families in `families` and a small bidirectional encoder. Attention is a part that is chosen by
name; a new variant is one file (see `mix`, and `encoder_attention` for encoders). Nothing here knows of tokenizers,
sampling or rewards.
"""

from steelyard.model.architecture import Architecture
from steelyard.model.attention_mask import AttentionMask
from steelyard.model.blockbert import BlockBERT
from steelyard.model.decoder import Decoder
from steelyard.model.encoder import Encoder, EncoderSizes
from steelyard.model.encoder_attention import (
    EncoderAttention,
    EncoderMixing,
    LayerSizes,
    SelfAttention,
    encoder_attention_by_name,
    encoder_attention_names,
)
from steelyard.model.full_attention import FullAttention
from steelyard.model.grouped_query import GroupedQuery
from steelyard.model.hf_config import architecture_of
from steelyard.model.intervention import Intervention, Pass
from steelyard.model.lin_act import LinAcT
from steelyard.model.lineas import LinEAS
from steelyard.model.linformer import Linformer
from steelyard.model.mean_shift import MeanShift
from steelyard.model.mix import DecodeKernel, Mix, attend, attention_by_name, attention_names
from steelyard.model.positions import Rotary
from steelyard.model.sliding_window import SlidingWindow

__all__ = [
    "Architecture",
    "AttentionMask",
    "BlockBERT",
    "DecodeKernel",
    "Decoder",
    "Encoder",
    "EncoderAttention",
    "EncoderMixing",
    "EncoderSizes",
    "FullAttention",
    "GroupedQuery",
    "Intervention",
    "LayerSizes",
    "LinAcT",
    "LinEAS",
    "Linformer",
    "MeanShift",
    "Mix",
    "Pass",
    "Rotary",
    "SelfAttention",
    "SlidingWindow",
    "architecture_of",
    "attend",
    "attention_by_name",
    "attention_names",
    "encoder_attention_by_name",
    "encoder_attention_names",
]
