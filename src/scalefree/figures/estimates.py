"""Seeds as dots next to their mean and its interval, and comparisons as rows of such estimates with verdicts."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from scalefree.claims.rows import LEAST_SPREAD
from scalefree.claims.verdict import Verdict, quantity
from scalefree.experiments.evidence import errors
from scalefree.experiments.intervals import Interval, mean_interval
from scalefree.experiments.results import Point
from scalefree.figures.caption import told
from scalefree.figures.scales import difference_axis
from scalefree.figures.style import LIGHT, MINUS, NEUTRAL, Look, typeset, wrapped


@dataclass(frozen=True)
class Estimate:
    """One number per seed, and what is known about their mean.

    Attributes:
        narrow: the 90 % interval, for an equivalence.
        diverged: seeds with a diverged run.
        whole: False while seeds are missing; the mean's marker is then hollow.
    """

    values: Mapping[int, float]
    interval: Interval | None = None
    narrow: Interval | None = None
    diverged: Collection[int] = frozenset()
    whole: bool = True

    @property
    def extent(self) -> list[float]:
        """Every number that an axis should show; an interval counts at most as far beyond the seeds as they are apart.
        At two seeds it is thirteen times as wide as their distance and would leave nothing else visible.
        """
        values = list(self.values.values())
        if self.interval is None:
            return values
        low, high = min(values), max(values)
        span = high - low
        ends = (max(self.interval.low, low - span), min(self.interval.high, high + span))
        # If all seeds agree, the interval has its minimum width.
        return [*values, *(ends if span else (self.interval.low, self.interval.high))]

    @property
    def reaches_out(self) -> bool:
        """Whether the interval extends beyond `extent`."""
        of = self.interval
        return of is not None and (of.low < min(self.extent) or of.high > max(self.extent))


def diverged_seeds(point: Point) -> set[int]:
    """The seeds whose run diverged."""
    return {seed for seed, record in point.records.items() if record.outcome.status == "diverged"}


def error_of(point: Point) -> Estimate:
    """Final test errors in percent, with the interval of their mean if no seed is missing."""
    values, whole = errors(point), point.status in ("completed", "diverged")
    interval = mean_interval(list(values.values()), "seeds", LEAST_SPREAD) if whole else None
    return Estimate(values, interval, None, diverged_seeds(point), whole)


def accuracy_of(point: Point) -> Estimate:
    """Like `error_of`, as accuracies."""
    error = error_of(point)
    of, interval = error.interval, None
    if of is not None:
        interval = Interval(100 - of.high, 100 - of.low, of.n, of.of, of.method)
    values = {seed: 100 - value for seed, value in error.values.items()}
    return Estimate(values, interval, None, error.diverged, error.whole)


def estimates_note(shown: Iterable[Estimate]) -> str:
    """A caption's explanation of how these estimates are drawn."""
    drawn = [estimate for estimate in shown if estimate.values]
    hollow = ", hollow while seeds are missing" if any(not estimate.whole for estimate in drawn) else ""
    parts = [
        "Small dots: seeds, which share initialisation, batches and augmentation between methods",
        f"large markers: their means{hollow}",
    ]
    # If all seeds agree, the interval's method says more than a caption needs.
    methods = list(dict.fromkeys(of.interval.method.partition(" with")[0] for of in drawn if of.interval is not None))
    parts.append(
        f"bars: 95 % intervals of the means ({', '.join(methods)})" if methods else "no interval for a single seed"
    )
    if any(estimate.diverged for estimate in drawn):
        parts.append("crosses: diverged runs, counted as an error of 100 %")
    if any(estimate.reaches_out for estimate in drawn):
        parts.append("arrowheads: intervals that extend beyond the axis")
    return "; ".join(parts)


def draw_estimate(
    axes: Axes, place: float, of: Estimate, look: Look, width: float = 0.3, horizontal: bool = False
) -> None:
    """Draw dots from `place - width` to `place`, the mean and its interval at `place + width / 2`, values along y."""

    def plot(places: Sequence[float], values: Sequence[float], *style: str, **how: object) -> None:
        axes.plot(*((values, places) if horizontal else (places, values)), *style, color=look.color, **how)  # type: ignore[arg-type]

    if not of.values:
        return
    spots = np.linspace(place - width, place, len(of.values)) if len(of.values) > 1 else np.array([place - width / 2])
    for spot, (seed, value) in zip(spots.tolist(), sorted(of.values.items()), strict=True):
        if seed in of.diverged:
            plot([spot], [value], "x", markersize=4, clip_on=False, gid="diverged")
        else:
            plot([spot], [value], "o", markersize=2.2, alpha=0.55, markeredgewidth=0, gid="seed")
    middle = place + width / 2
    for interval, thickness, gid in ((of.interval, 1.1, "interval"), (of.narrow, 2.6, "narrow")):
        if interval is not None:
            plot([middle, middle], [interval.low, interval.high], linewidth=thickness, solid_capstyle="butt", gid=gid)
    mean = float(np.mean(list(of.values.values())))
    plot(
        [middle], [mean], look.marker, markersize=4.6, markeredgewidth=0.45, zorder=3,
        markerfacecolor=look.color if of.whole else "white", markeredgecolor="white" if of.whole else look.color,
        gid="mean",
    )  # fmt: skip


def mark_cut_intervals(axes: Axes) -> None:
    """Draw an arrowhead where an interval extends beyond the axis; call it once the limits are final."""
    for line in [line for line in axes.lines if line.get_gid() in ("interval", "narrow")]:
        x, y = (np.asarray(data, dtype=float) for data in line.get_data())
        horizontal = y[0] == y[-1]
        low, high = sorted(axes.get_xlim() if horizontal else axes.get_ylim())
        ends, place = (x, y[0]) if horizontal else (y, x[0])
        for limit, marker, beyond in (
            (low, "<" if horizontal else "v", ends.min() < low),
            (high, ">" if horizontal else "^", ends.max() > high),
        ):
            if beyond:
                at = (limit, place) if horizontal else (place, limit)
                axes.plot(*at, marker, color=line.get_color(), markersize=4, clip_on=False, gid="cut")


def draw_missing(axes: Axes, place: float, look: Look) -> None:
    """Draw a tick at the bottom of a panel for runs that are planned but not trained yet."""
    axes.plot(
        place, 0.02, "|", color=look.color, markersize=6, transform=axes.get_xaxis_transform(), gid="missing",
        clip_on=False,
    )  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A comparison.

    Attributes:
        verdict: None if the comparison is not itself a claim.
        lack: what is missing.
    """

    label: str
    look: Look
    estimate: Estimate = field(default_factory=lambda: Estimate({}))
    verdict: Verdict | None = None
    lack: str = ""


def rows_note(rows: Sequence[Row], logarithmic: bool = False) -> str:
    """A caption's explanation of what else is drawn for these comparisons."""
    senses = {row.verdict.question.sense for row in rows if row.verdict is not None}
    parts = []
    if "within" in senses:
        parts.append("Thick bars: the 90 % intervals by which an equivalence is judged; grey bands: its limits")
    if senses - {"within"}:
        parts.append("Dashed lines: the claims' thresholds")
    if logarithmic:
        parts.append("The axis of differences is linear up to 1 and logarithmic beyond")
    return ". ".join(parts)


def draw_threshold(axes: Axes, verdict: Verdict, bottom: float, height: float) -> None:
    """Draw the limits of an equivalence as a band, or another claim's threshold as a dashed line."""
    question = verdict.question
    d = question.threshold
    if question.sense == "within":
        axes.add_patch(Rectangle((-d, bottom), 2 * d, height, facecolor=LIGHT, linewidth=0, zorder=0.5, gid="limits"))
        return
    for limit in (-d, d) if question.sense == "beyond" else (d,):
        axes.plot(
            [limit] * 2, [bottom, bottom + height], color=NEUTRAL, linewidth=0.9, dashes=(2, 1.5), gid="threshold"
        )


def _result(row: Row) -> str:
    if row.lack:
        return typeset(row.lack)
    if row.verdict is not None:
        return told(row.verdict)
    mean = quantity(float(np.mean(list(row.estimate.values.values()))), "points", signed=True)
    interval = row.estimate.interval
    ends = "" if interval is None else f" [{quantity(interval.low, '', True)}, {quantity(interval.high, '', True)}]"
    return f"{mean}{ends}".replace("-", MINUS)


def rows_axis(axes: Axes, rows: Sequence[Row]) -> bool:
    """Set up the x axis of comparisons, in points; returns whether it is logarithmic beyond 1."""
    questions = [row.verdict.question for row in rows if row.verdict is not None]
    return difference_axis(
        axes,
        "x",
        [value for row in rows for value in row.estimate.extent],
        max((question.threshold for question in questions), default=1.0),
        any(question.sense == "within" for question in questions),
    )


def draw_rows(axes: Axes, rows: Sequence[Row], inches: float = 2.6) -> None:
    """Draw comparisons below each other, each with name and result above its seeds, mean and interval.
    The axis is that of `rows_axis`; `inches` is about the width of the panel.
    """
    for index, row in enumerate(rows):
        axes.plot([0, 0], [-index - 0.97, -index - 0.5], color="black", linewidth=0.7, gid="zero")
        if row.verdict is not None:
            draw_threshold(axes, row.verdict, -index - 0.97, 0.42)
        draw_estimate(axes, -index - 0.75, row.estimate, row.look, 0.18, horizontal=True)
        words = [line for text in (typeset(row.label), _result(row)) for line in wrapped(text, inches)[:2]]
        axes.text(
            0.0, -index - 0.02, "\n".join(words), transform=axes.get_yaxis_transform(), va="top", linespacing=1.1,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6}, fontsize=7, in_layout=False,
        )  # fmt: skip
        if index:
            axes.axhline(-index + 0.02, color=LIGHT, linewidth=0.6)
    axes.set_ylim(-max(len(rows), 1), 0.05)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(False, axis="y")
    mark_cut_intervals(axes)
