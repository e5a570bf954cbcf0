"""A reward function by its name that looks at the objects of episodes."""


def made_calls(environments, completions, **columns):
    return [float(environment.calls > 0) for environment in environments]
