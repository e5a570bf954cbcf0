"""Guards that detect harmful text, and routers that call a large guard only where a small one is not enough."""

from steelyard.guard.bag import BagGuard, f1
from steelyard.guard.base import Cascade, Gate, Guard, Router, Ruling, TextGate, TextRouter, needs_large
from steelyard.guard.saferoute import SafeRoute
from steelyard.guard.word_route import WordRoute

__all__ = [
    "BagGuard",
    "Cascade",
    "Gate",
    "Guard",
    "Router",
    "Ruling",
    "SafeRoute",
    "TextGate",
    "TextRouter",
    "WordRoute",
    "f1",
    "needs_large",
]
