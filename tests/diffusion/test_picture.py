import numpy as np

from steelyard.diffusion.picture import picture


def test_higher_is_darker():
    assert picture(np.array([[0.0, 9.0], [4.0, 5.0]])) == " @\n=+"


def test_colours_are_averaged_and_what_is_no_image_is_told_in_numbers():
    assert picture(np.array([[[0.0, 0.0, 0.0], [3.0, 6.0, 9.0]]])) == " @"
    assert picture(np.arange(20.0)).split()[:3] == ["0", "1", "2"]
    assert picture(np.zeros((2, 2))) == "  \n  "
