"""Searchers, learner and evaluator in processes of their own."""
