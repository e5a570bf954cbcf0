"""The rules of positions that a config.json describes: one for all layers, or one for each kind of layer.

Newer configs have `rope_parameters`, where layers differ with a rule under the name of each kind of layer. Older ones
have `rope_theta` and `rope_scaling`, both of full attention, and `rope_local_base_freq` for layers with a window.
"""

from collections.abc import Mapping, Sequence

from steelyard.core.json import JsonMapping
from steelyard.model.families import Family, rotates
from steelyard.model.positions import Rotary

FULL = "full_attention"
SLIDING = "sliding_attention"
"""The names of kinds of layers in a config."""


def rotary_of(config: JsonMapping, family: Family) -> Rotary | None:
    """The rule of layers with full attention; None where it is not known here."""
    rules = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if not isinstance(rules, Mapping):
        return None
    if family.local_theta is not None and config.get("rope_parameters"):
        if not {*rules} <= {FULL, SLIDING}:
            return None  # a rule that is not under the name of a kind of layer
        rules = rules.get(FULL) or {}
    return _rule(rules, config, family, config.get("rope_theta", family.theta))


def layer_rotary(
    config: JsonMapping, family: Family, rotary: Rotary, windowed: Sequence[bool]
) -> tuple[Rotary | None, ...] | None:
    """The rule of each layer, empty where all have `rotary`; None where one is not known here.

    Args:
        config: config.json.
        family: of the model.
        rotary: the rule of layers with full attention.
        windowed: which layers have a window.
    """
    if family.skips_positions:
        return tuple(rotary if rotates(config, i) else None for i in range(len(windowed)))
    if family.local_theta is None:
        return ()
    rules = (config.get("rope_parameters") or {}).get(SLIDING) or {}
    local = _rule(rules, config, family, config.get("rope_local_base_freq", family.local_theta))
    return None if local is None else tuple(local if narrow else rotary for narrow in windowed)


def _rule(rules: object, config: JsonMapping, family: Family, theta: float) -> Rotary | None:
    if not isinstance(rules, Mapping):
        return None
    share = rules.get("partial_rotary_factor", config.get("partial_rotary_factor"))
    share = 1.0 if share is None else float(share)
    if share != 1.0 and not family.part_turned:
        return None
    theta = float(rules.get("rope_theta", theta))
    kind = rules.get("rope_type", rules.get("type", "default"))
    if kind == "default":
        return Rotary(theta, share=share)
    if kind == "linear":
        return Rotary(theta, kind, float(rules["factor"]), share=share)
    if kind == "llama3":
        factor, low, high = (float(rules[key]) for key in ("factor", "low_freq_factor", "high_freq_factor"))
        original = int(rules["original_max_position_embeddings"])
        return Rotary(theta, kind, factor, low, high, original, share)
    return None
