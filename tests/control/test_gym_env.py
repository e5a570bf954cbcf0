import pytest

gymnasium = pytest.importorskip("gymnasium")

from gymnasium.utils.env_checker import check_env  # noqa: E402

from steelyard.check.control import Corridor  # noqa: E402
from steelyard.control import Delayed  # noqa: E402
from steelyard.control.gym_env import SystemEnv  # noqa: E402
from steelyard.worlds.gridworld import Gridworld  # noqa: E402
from steelyard.worlds.point_mass import PointMass  # noqa: E402

SYSTEMS = (Gridworld(), PointMass(), Delayed(Gridworld(), 2), Delayed(PointMass(), 2))


@pytest.mark.filterwarnings("ignore::UserWarning")  # that an observation has no bounds
@pytest.mark.parametrize(
    "system", [Gridworld(), PointMass(), Delayed(Gridworld(), 2), Delayed(PointMass(), 2)], ids=repr
)
def test_gymnasiums_own_checker_passes(system):
    check_env(SystemEnv(system), skip_render_check=True)


def test_an_end_is_not_a_cut():
    env = SystemEnv(Corridor())
    env.reset(seed=0)
    assert [env.step(1)[1:4] for _ in range(4)][-1] == (1.0, True, False)
    env.reset(seed=0)
    assert [env.step(0)[1:4] for _ in range(8)][-1] == (0.0, False, True)


def test_a_step_before_a_reset_is_refused():
    with pytest.raises(gymnasium.error.ResetNeeded):
        SystemEnv(Corridor()).step(0)
