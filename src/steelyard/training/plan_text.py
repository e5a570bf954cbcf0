"""The plan as text: the lines that `steelyard train RECIPE --dry-run` prints."""

from collections.abc import Iterator

from steelyard.core.json import JsonMapping
from steelyard.training.job_plan import job_lines

_SHOWN = 20  # domains that are listed


def plan_lines(planned: JsonMapping) -> list[str]:
    """The lines of a plan that `steelyard.training.plan.plan` made."""
    return [
        f"plan of {planned['recipe']}, into {planned['output_dir']}; nothing was trained, downloaded or written",
        "settings that differ from the defaults, and the main ones:",
        *(f"  {flag} {value}" for flag, value in planned["settings"].items()),
        *(job_lines(planned["job"]) if "job" in planned else _post_training(planned)),
    ]


def _post_training(planned: JsonMapping) -> list[str]:
    return [
        f"prompts: {_prompts(planned['prompts'])}",
        *_data(planned["prompts"]),
        f"model: {_model(planned['model'])}",
        *(f"{role}: {_other(model)}" for role, model in planned["other_models"].items()),
        *([] if planned["generation"] is None else [f"generation: {planned['generation']}"]),
        *([] if planned["endings"] is None else [f"ends at: {ends_at(planned['endings'])}"]),
        f"samples: {_samples(planned['samples'])}",
        "schedule:",
        *(f"  {_listed(row)}" for row in planned["schedule"]),
        f"staleness: {'; '.join(planned['staleness'])}",
        *(f"  outside the region that was measured as safe: {said}" for said in planned["outside"]),
        *([] if planned["weights"] is None else [f"weights: {planned['weights']}"]),
        *_devices(planned["devices"]),
        *_memory(planned["memory"]),
    ]


def ends_at(endings: JsonMapping) -> str:
    """What ends a completion."""
    tokens = [f"end {'tokens' if len(endings['tokens']) > 1 else 'token'} {', '.join(endings['tokens'])}"]
    strings = [repr(text) + (" (another one ends before it)" if text in endings["never"] else "")
               for text in endings["stop"]]  # fmt: skip
    parts = (tokens if endings["tokens"] else ["no end token"]) + (["stop " + ", ".join(strings)] if strings else [])
    return "; ".join([*parts, f"{endings['max_tokens']:,} tokens at most"])


def _prompts(prompts: JsonMapping) -> str:
    if "fetches" in prompts:
        return f"from the hub's data set {prompts['fetches']}, which the run would download unless it is cached"
    return _listed({name: number for name, number in prompts.items() if name not in ("notes", "domains")})


def _data(prompts: JsonMapping) -> Iterator[str]:
    """What of the data was merged or left out, and the numbers of domains."""
    yield from (f"  {number:,} {what}" for what, number in prompts.get("notes", {}).items())
    domains = prompts.get("domains", {})
    if domains:
        first = [f"{number} {domain}" for domain, number in list(domains.items())[:_SHOWN]]
        more = f", and {len(domains) - _SHOWN} more" if len(domains) > _SHOWN else ""
        yield f"  domains: {', '.join(first)}{more}"


def _model(model: JsonMapping) -> str:
    if "fetches" in model:
        return _other(model)
    sizes = f"{model['parameters']:,} parameters in {model['dtype']}, {model['trained']:,} of them trained"
    return f"{model['model']} ({model['type']}), {sizes}, from {model['place']}"


def _other(model: JsonMapping) -> str:
    if "fetches" in model:
        return f"{model['model']} is not on this machine; the run would download it from the hub"
    return f"{model['model']}, {_size(model['bytes'])}, on {model['device']}"


def _samples(samples: JsonMapping) -> str:
    per_step = f"{samples['prompts_per_step']} prompts x {samples['samples_per_prompt']}"
    total = f"{samples['steps']:,} steps, {samples['episodes']:,} trajectories in all"
    batch = f"{samples['searcher_batch']:,} trajectories, {samples['searched_per_prompt']} per prompt"
    warmup = f"{samples['before_first_step']:,} are stored before the first step"
    return f"{per_step} = {samples['samples_per_step']:,} a step, {total}; a searcher batch is {batch}; {warmup}"


def _devices(devices: JsonMapping | None) -> Iterator[str]:
    """Where the parts compute, and what is taken of each GPU."""
    if devices is None:
        return
    yield "devices: " + ", ".join(f"{part} {device}" for part, device in devices["placement"].items())
    for name, gpu in devices["gpus"].items():
        fits = "" if gpu["total"] <= gpu["free"] else ": it does not fit"
        yield f"memory of {name}: about {_size(gpu['total'])}, {_size(gpu['free'])} are free{fits}"
        for part, sizes in gpu["parts"].items():
            held = ", ".join(f"{what.replace('_', ' ')} {_size(size)}" for what, size in sizes.items() if size)
            yield f"  {part} {_size(sum(sizes.values()))}: {held}"


def _memory(memory: JsonMapping | None) -> Iterator[str]:
    if memory is None:
        yield "memory: not known until the model has been downloaded"
        return
    absent = "".join(f", and without the {role}, which is not on this machine" for role in memory["not_counted"])
    yield f"memory: {_size(memory['total'])}, without activations and caches{absent}"
    yield from (f"  {part.replace('_', ' ')} {_size(size)}" for part, size in memory["parts"].items() if size)
    yield f"disk: at most {_size(memory['stored_on_disk_at_most'])} for trajectories, plus the checkpoints"


def _listed(values: JsonMapping) -> str:
    shown = {key: f"{value:,}" if isinstance(value, int) else f"{value:.4g}" for key, value in values.items()}
    return ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in shown.items())


def _size(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"
