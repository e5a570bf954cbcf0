"""Unlearning: objectives on prompts to forget and prompts to retain, and audits of both.

The label `retain` says which prompts are kept. Refusal tuning (IDK) needs no method
of its own: it is `SFT` on forgotten prompts whose completion is a refusal, beside retained ones.
"""

from steelyard.unlearn.audit import Audit, Quality, Question, audit, forget_quality, repetition, utility
from steelyard.unlearn.gradient_ascent import GradientAscent
from steelyard.unlearn.npo import NPO
from steelyard.unlearn.protocol import unlearn
from steelyard.unlearn.refusal_dpo import RefusalDPO
from steelyard.unlearn.tofu import TOFU

__all__ = [
    "NPO",
    "TOFU",
    "Audit",
    "GradientAscent",
    "Quality",
    "Question",
    "RefusalDPO",
    "audit",
    "forget_quality",
    "repetition",
    "unlearn",
    "utility",
]
