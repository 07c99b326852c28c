"""Differences of errors as claims measure them, each in one network, with its verdict if it is a claim there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scalefree.claims.at import At
from scalefree.claims.planned import CLAIMS
from scalefree.claims.rows import LEAST_SPREAD
from scalefree.claims.verdict import Measured, Verdict
from scalefree.experiments.arms import Network
from scalefree.experiments.evidence import Evidence, Missing
from scalefree.experiments.intervals import mean_interval
from scalefree.experiments.pairs import SeedValues
from scalefree.experiments.results import Point
from scalefree.figures.estimates import Estimate, Row, diverged_seeds
from scalefree.figures.style import BLACK, look

Measure = Callable[[At], SeedValues | Measured]
_OF_CLAIM: dict[str, Measure] = {claim.question.number: claim.measure for claim in CLAIMS}


@dataclass(frozen=True)
class Contrast:
    """One difference of errors.

    Attributes:
        label: its label; the claim's own sentence if empty.
        method: the method whose colour it gets; black if empty.
        numbers: the claims that test it; the first defines how it is measured.
        measure: how it is measured if no claim tests it.
    """

    label: str = ""
    method: str = ""
    numbers: tuple[str, ...] = ()
    measure: Measure | None = None

    def measured_in(
        self, evidence: Evidence, network: Network, verdicts: Sequence[Verdict]
    ) -> tuple[Row, dict[str, Point]] | None:
        """The contrast as a row, with the runs that it compares by what they are (`describe`); None if the profile does
        not train them.

        While seeds are missing, the row has the values of the existing ones, no interval, and a note of what is
        missing.
        """
        measure = self.measure or _OF_CLAIM[self.numbers[0]]
        lack = ""
        points: dict[str, Point] = {}
        values: SeedValues | Measured = SeedValues()
        for whole in (True, False):
            at = At(evidence, network, points, whole)
            try:
                values = measure(at)
                break
            except Missing as missing:
                if not missing.asked:
                    return None
                lack = lack or str(missing).removeprefix(f"{network.label}: ")
        assert isinstance(values, SeedValues), "a contrast of errors has a value for each seed"
        diverged = {seed for point in points.values() for seed in diverged_seeds(point)}
        verdict = next((v for v in verdicts if v.question.number in self.numbers and v.where == network.label), None)
        label = self.label or (verdict.question.claim.rstrip(".") if verdict is not None else "")
        if verdict is not None:
            label = f"Claim {verdict.question.number.partition('-')[0]}: {label}"
        if verdict is not None and verdict.measured.values:
            measured = verdict.measured
            estimate = Estimate(measured.values, measured.interval, measured.narrow, diverged)
        else:
            interval = None if lack else mean_interval(list(values.values()), "seeds", LEAST_SPREAD)
            estimate = Estimate(values, interval, None, diverged, whole=not lack)
        of = look(self.method) if self.method else BLACK
        named = {name.removeprefix(f"{network.label}: "): point for name, point in points.items()}
        return Row(label, of, estimate, verdict, lack), named
