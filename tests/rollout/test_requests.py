import pytest

from rollout.drawn import requests_for
from steelyard.core import Request, Sampling, SteelyardError, rng
from steelyard.rollout.requests import check_requests, uniforms_of


def test_uniforms_are_those_of_the_requests_address():
    found = uniforms_of(3, requests_for(2), 5)
    assert found.shape == (6, 5)
    for row, request in zip(found, requests_for(2), strict=True):
        assert row.tolist() == rng(3, "sample", request.prompt_id, request.sample).random(5).tolist()
    assert uniforms_of(3, [], 5).shape == (0, 5)


def test_prompt_and_completion_fill_the_context_and_no_more():
    check_requests([Request("p", (5,) * 60, 0)], Sampling(max_tokens=4), 64)
    with pytest.raises(SteelyardError, match="prompt p: 60 tokens and 5 to generate exceed the model's context of 64"):
        check_requests([Request("q", (5,), 0), Request("p", (5,) * 60, 0)], Sampling(max_tokens=5), 64)
    with pytest.raises(SteelyardError, match="prompt p: it has no tokens"):
        check_requests([Request("p", (), 0)], Sampling(), 64)
    with pytest.raises(SteelyardError, match="top_p"):
        check_requests([], Sampling(top_p=0.0), 64)
