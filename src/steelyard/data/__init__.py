"""Data builders: records in, records out, and each says which records, builder, settings and seed made it."""

from steelyard.data.builder import Builder, Generator, Judge, Question, Tools, derive
from steelyard.data.ches import CHES
from steelyard.data.compared_answers import ComparedAnswers
from steelyard.data.convretrieval import ConvRetrieval
from steelyard.data.efl import EFL
from steelyard.data.fence import FenCE
from steelyard.data.fence_critic import FenCECritic
from steelyard.data.halt import HALT
from steelyard.data.harmaug import HarmAug
from steelyard.data.incorrect_synth import IncorrectSynth
from steelyard.data.kard import KARD
from steelyard.data.magic_triples import MagicTriples
from steelyard.data.overlap import Comparison, Overlap, Reader
from steelyard.data.record import Origin, Record, ancestors, built, records_of, row_of
from steelyard.data.rejection_sampling import RejectionSampling
from steelyard.data.stat_syn import STATSyn
from steelyard.data.summaries import ConversationSummaries

__all__ = [
    "CHES",
    "EFL",
    "HALT",
    "KARD",
    "Builder",
    "ComparedAnswers",
    "Comparison",
    "ConvRetrieval",
    "ConversationSummaries",
    "FenCE",
    "FenCECritic",
    "Generator",
    "HarmAug",
    "IncorrectSynth",
    "Judge",
    "MagicTriples",
    "Origin",
    "Overlap",
    "Question",
    "Reader",
    "Record",
    "RejectionSampling",
    "STATSyn",
    "Tools",
    "ancestors",
    "built",
    "derive",
    "records_of",
    "row_of",
]
