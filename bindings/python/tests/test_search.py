"""A search, asked and told from Python."""

import math

import mutransfer
import pytest
from mutransfer import Search


def valley(values):
    """Rises by 10 mnats an octave squared from 2^-9 and by 5 from a multiplier of 2."""
    rate, multiplier = math.log2(values["lr"]) + 9, math.log2(values["output.multiplier"]) - 1
    return 2.0 + 0.010 * (rate + 0.3 * multiplier) ** 2 + 0.005 * multiplier**2


KEYS = {"lr": "auto", "output": {"multiplier": "auto"}, "steps": 300}


def test_two_hyperparameters_are_found_in_few_runs():
    search = Search(KEYS)
    for run in search:
        search.tell(run, valley(run.values))
    found = search.report()
    assert valley(found["best"]) < 2.002
    assert found["report"]["runs"] <= 20
    assert found["confirm"][0] == found["best"]
    assert found["said"][1].startswith("Expected regret 0.00")


def test_the_order_of_telling_changes_nothing():
    found = []
    for turn in (1, -1):
        search = Search(KEYS, at_once=3, seed=7)
        while runs := search.ask():
            for run in runs[::turn]:
                search.tell(run.number, [valley(run.values), valley(run.values) + 0.01])
        found.append(search.report())
    assert found[0] == found[1]


def test_what_diverges_is_tried_again_lower():
    search = Search({"lr": {"auto": True, "start": 1}})
    for run in search:
        is_low = run.values["lr"] < 0.01
        search.tell(run, valley({**run.values, "output.multiplier": 2}) if is_low else math.nan)
    assert search.report()["best"]["lr"] < 0.01


@pytest.mark.parametrize(
    ("keys", "how", "said"),
    [
        ({"lr": 0.1}, {}, 'what is to be found is "auto"'),
        ({"temperature": "auto"}, {}, "has no usual value"),
        ({"lr": "auto"}, {"budget": 0}, "`budget` is 0"),
        ({"lr": {"auto": True, "start": 3, "to": 2}}, {}, "`lr` starts at 3"),
    ],
)
def test_senseless_searches_are_refused(keys, how, said):
    with pytest.raises(mutransfer.PlanError, match=said):
        Search(keys, **how)


def test_a_loss_belongs_to_a_run():
    search = Search(KEYS)
    (run, *_) = search.ask()
    search.tell(run, 2.0)
    with pytest.raises(mutransfer.PlanError, match="run 0 has already been told"):
        search.tell(run, 2.1)
    with pytest.raises(mutransfer.PlanError, match="run 99 was not asked for"):
        search.tell(99, 2.0)


def test_losses_come_as_numbers_of_any_kind():
    torch = pytest.importorskip("torch")
    search = Search(KEYS)
    for run in search.ask()[:3]:
        loss = valley(run.values)
        told = [torch.tensor(loss), torch.tensor([loss]), (loss,)][run.number]
        search.tell(run, told)
    assert len(search.ask()) == 2
