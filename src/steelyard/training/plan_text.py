"""A plan to read: the lines that `steelyard train RECIPE --dry-run` prints."""

from collections.abc import Iterator, Mapping
from typing import Any


def lines(planned: Mapping[str, Any]) -> list[str]:
    """What `plan` found, in lines."""
    return [
        f"plan of {planned['recipe']}, into {planned['output_dir']}; nothing was trained, fetched or written",
        "settings that differ from the defaults, and those that every run depends on:",
        *(f"  {flag} {value}" for flag, value in planned["settings"].items()),
        f"prompts: {_prompts(planned['prompts'])}",
        f"model: {_model(planned['model'])}",
        *(f"{what}: {_other(model)}" for what, model in planned["other_models"].items()),
        f"samples: {_samples(planned['samples'])}",
        "schedule:",
        *(f"  {_listed(row)}" for row in planned["schedule"]),
        f"staleness: {'; '.join(planned['staleness'])}",
        *_memory(planned["memory"]),
    ]


def _prompts(prompts: Mapping[str, Any]) -> str:
    if "fetches" in prompts:
        return f"of the data set {prompts['fetches']} of the hub, which the run would fetch unless it is cached"
    return _listed(prompts)


def _model(model: Mapping[str, Any]) -> str:
    if "fetches" in model:
        return _other(model)
    sizes = f"{model['parameters']:,} parameters in {model['dtype']}, {model['trained']:,} of them trained"
    return f"{model['model']} ({model['type']}), {sizes}, from {model['place']}"


def _other(model: Mapping[str, Any]) -> str:
    if "fetches" in model:
        return f"{model['model']} is not on this machine; the run would fetch it from the hub"
    return f"{model['model']}, {_size(model['bytes'])}"


def _samples(samples: Mapping[str, Any]) -> str:
    number, steps, episodes = (samples[key] for key in ("samples_per_step", "steps", "episodes"))
    step = f"{samples['prompts_per_step']} prompts x {samples['samples_per_prompt']} = {number:,} a step"
    batch = samples["searcher_batch"]
    warmup = samples["before_first_step"]
    each = f"{samples['searched_per_prompt']} of a prompt"
    searched = f"a searcher batch is {batch:,}, {each}, and {warmup:,} are stored before the first step"
    return f"{step}, {steps:,} steps, {episodes:,} episodes learned from; {searched}"


def _memory(memory: Mapping[str, Any] | None) -> Iterator[str]:
    if memory is None:
        yield "memory: not known before the model is here"
        return
    absent = "".join(f", and without the {what}, which is not here" for what in memory["not_counted"])
    yield f"memory: {_size(memory['total'])}, without activations and caches{absent}"
    yield from (f"  {part.replace('_', ' ')} {_size(size)}" for part, size in memory["parts"].items() if size)
    yield f"disk: at most {_size(memory['stored_on_disk_at_most'])} of episodes, besides checkpoints"


def _listed(values: Mapping[str, Any]) -> str:
    shown = {key: f"{value:,}" if isinstance(value, int) else f"{value:.4g}" for key, value in values.items()}
    return ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in shown.items())


def _size(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"
