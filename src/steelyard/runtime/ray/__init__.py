"""Searchers, learner and evaluator as actors of a Ray cluster. The package `ray` is imported when a run asks for it."""
