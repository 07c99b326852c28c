"""Which settings are judged, and what is said about the others."""

from claims.made import as_the_paper_says, evidence, without
from scalefree.claims.selection import select
from scalefree.claims.settings import by_depth, groups, kind
from scalefree.experiments import Setting

PAIR = ("adaml2", "adamw")


def test_a_missing_seed_of_one_cell_leaves_its_network_out() -> None:
    partial = without(as_the_paper_says, lambda c: c.model.depth == 38 and c.seed == 1 and c.optimizer.name == "adaml2")
    chosen = select(evidence("quick", partial, "without_bn").settings("without_bn"), PAIR)
    assert [s.config.model.depth for s in chosen.used] == [20, 80]
    assert [s.config.model.depth for s in chosen.lacking] == [38]
    assert chosen.problem == ""
    # Adam-l2's cells with a decay lack a seed; the one without is AdamW's run.
    points = chosen.points(chosen.lacking[0])
    holes = sum(point.optimizer == "adaml2" and point.weight_decay > 0 for point in points)
    assert holes > 0
    assert chosen.notes() == [f"resnet38w8-nobn: not judged, {len(points) - holes} of {len(points)} cells present"]
    cells = sum(len(setting.points) for setting in chosen.used) + len(points)
    config = chosen.used[0].config
    assert chosen.scope("quick") == (
        f"digits, profile quick, {config.training.epochs} epochs, batch {config.training.batch_size}, 2 seeds; "
        f"{cells - holes} of {cells} cells present"
    )


def test_a_setting_without_decay_compares_nothing() -> None:
    found = evidence("quick", lambda c: None if c.optimizer.weight_decay else as_the_paper_says(c), "without_bn")
    free = [
        Setting(setting.config, tuple(point for point in setting.points if point.weight_decay == 0))
        for setting in found.settings("without_bn")
    ]
    assert select(free, PAIR).problem.startswith("no records: the profile has no cells")


def test_problems_have_names() -> None:
    nothing = without(as_the_paper_says, lambda _: True)
    assert select(evidence("quick", nothing, "without_bn").settings("without_bn"), PAIR).problem == "no records"
    assert select([], PAIR).problem.startswith("no records: the profile has no cells")
    half = without(as_the_paper_says, lambda config: config.seed == 1)
    assert select(evidence("quick", half, "without_bn").settings("without_bn"), PAIR).problem.startswith(
        "missing cells"
    )


def test_a_setting_of_two_experiments_is_taken_from_the_first() -> None:
    found = evidence("h200", as_the_paper_says, "without_bn", "seeds")
    for names, cells in ((("without_bn", "seeds"), 10), (("seeds", "without_bn"), 1)):
        deepest = [s for s in found.settings(*names) if s.config.model.depth == 110]
        assert [len(s.of("adamw")) for s in deepest] == [cells]


def test_settings_that_differ_in_one_factor() -> None:
    found = evidence("quick", as_the_paper_says)
    depths = by_depth(found.settings("depth"))
    assert [(s.config.model.depth, s.config.model.batch_norm) for s in depths] == [
        (20, False),
        (38, False),
        (80, False),
    ]
    by_eps = groups(found.settings("epsilon"), "optimizer.eps")
    assert [sorted(of) for of in by_eps] == [[1e-8, 1e-3]]
    first, second = by_eps[0].values()
    assert kind(first.config) != kind(second.config)
    assert kind(first.config, "optimizer.eps") == kind(second.config, "optimizer.eps")
