"""Guards that detect harmful text, and routers that call a large guard only where a small one is not enough."""

from steelyard.guard.acu import ACU
from steelyard.guard.bag import BagGuard, f1
from steelyard.guard.base import Cascade, Gate, Guard, Router, Ruling, TextGate, TextRouter, needs_large
from steelyard.guard.claim_guard import ClaimGuard
from steelyard.guard.dice_loss import DiceLoss
from steelyard.guard.eee_explore import EEEExplore
from steelyard.guard.eee_redteam import EEERedTeam
from steelyard.guard.fact_guard import FactGuard
from steelyard.guard.group_bias import GroupBias
from steelyard.guard.laf import LAF
from steelyard.guard.lm_fact_check import LMFactCheck
from steelyard.guard.patchsearch import PatchSearch
from steelyard.guard.rate_ft import RateFT
from steelyard.guard.rl_attack import RLAttack
from steelyard.guard.saferoute import SafeRoute
from steelyard.guard.sdm import SDM
from steelyard.guard.sparse_distil import SparseDistil
from steelyard.guard.t2ue import T2UE
from steelyard.guard.unified_guard import UnifiedGuard
from steelyard.guard.unified_m2 import UnifiedM2
from steelyard.guard.weak_to_strong import WeakToStrong
from steelyard.guard.wl_ac import WLAC
from steelyard.guard.word_route import WordRoute

__all__ = [
    "ACU",
    "LAF",
    "SDM",
    "T2UE",
    "WLAC",
    "BagGuard",
    "Cascade",
    "ClaimGuard",
    "DiceLoss",
    "EEEExplore",
    "EEERedTeam",
    "FactGuard",
    "Gate",
    "GroupBias",
    "Guard",
    "LMFactCheck",
    "PatchSearch",
    "RLAttack",
    "RateFT",
    "Router",
    "Ruling",
    "SafeRoute",
    "SparseDistil",
    "TextGate",
    "TextRouter",
    "UnifiedGuard",
    "UnifiedM2",
    "WeakToStrong",
    "WordRoute",
    "f1",
    "needs_large",
]
