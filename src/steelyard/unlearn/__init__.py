"""Unlearning: objectives on prompts to forget and prompts to retain, and audits of both.

The label `retain` says which prompts are kept. Refusal tuning (IDK) needs no method
of its own: it is `SFT` on forgotten prompts whose completion is a refusal, beside retained ones.
"""

from steelyard.unlearn.all_audits import AllAudits
from steelyard.unlearn.audit import Audit, Quality, Question, audit, forget_quality, repetition, utility
from steelyard.unlearn.conceptvectors import ConceptVectors
from steelyard.unlearn.eco import ECO
from steelyard.unlearn.gradient_ascent import GradientAscent
from steelyard.unlearn.in_context import InContext
from steelyard.unlearn.lat import LAT
from steelyard.unlearn.min_k import MinK
from steelyard.unlearn.neuron_adjust import NeuronAdjust
from steelyard.unlearn.npo import NPO
from steelyard.unlearn.o3 import O3
from steelyard.unlearn.protocol import unlearn
from steelyard.unlearn.refusal_dpo import RefusalDPO
from steelyard.unlearn.relearning import Relearning
from steelyard.unlearn.reworded import Reworded
from steelyard.unlearn.rocr import ROCR
from steelyard.unlearn.skill_unlearn import KeySpaceDetection
from steelyard.unlearn.tofu import TOFU
from steelyard.unlearn.truly_forgetting import TrulyForgetting
from steelyard.unlearn.unalignment import Unalignment
from steelyard.unlearn.ununlearning import Ununlearning

__all__ = [
    "ECO",
    "LAT",
    "NPO",
    "O3",
    "ROCR",
    "TOFU",
    "AllAudits",
    "Audit",
    "ConceptVectors",
    "GradientAscent",
    "InContext",
    "KeySpaceDetection",
    "MinK",
    "NeuronAdjust",
    "Quality",
    "Question",
    "RefusalDPO",
    "Relearning",
    "Reworded",
    "TrulyForgetting",
    "Unalignment",
    "Ununlearning",
    "audit",
    "forget_quality",
    "repetition",
    "unlearn",
    "utility",
]
