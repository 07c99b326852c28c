"""How different two runs' update-scale histograms are."""

from scalefree.claims.across import SeedValues
from scalefree.claims.evidence import Evidence
from scalefree.experiments import Point


def total_variation(evidence: Evidence, first: Point, second: Point) -> SeedValues:
    """The share of the mass that lies in other bins, in [0, 1], by seed: half the sum of absolute differences.

    Of the last histogram over the whole network; seeds of which a run diverged or kept no histogram are left out.
    """
    found = {}
    for seed in sorted(first.records.keys() & second.records.keys()):
        pair = (first.records[seed], second.records[seed])
        if any(record.outcome.status != "completed" for record in pair):
            continue
        shares = [evidence.shares(record) for record in pair]
        if shares[0] is not None and shares[1] is not None:
            found[seed] = float(abs(shares[0] - shares[1]).sum() / 2)
    return found
