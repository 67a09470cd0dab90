"""Small line charts as inline SVG: scales, round ticks, series, one marked step. Knows nothing of what is drawn."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from retrato.markup import Html, joined, tag

# Drawn this small, the letters are still readable where a narrow screen shows the chart at its own size.
WIDTH, HEIGHT = 320.0, 226.0
LEFT, RIGHT, TOP, BOTTOM = 44.0, 310.0, 26.0, 190.0

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Series:
    """Points (x, y) in rising x; points that are not numbers leave a gap. `tone` is one of the page's four inks."""

    label: str
    points: Sequence[Point]
    tone: Literal["first", "second", "third", "faint"]
    kind: Literal["line", "line and dots", "dots"] = "line and dots"


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values from `low` to `high` onto `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Gives the place of `value`."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Gives round values (1, 2 or 5 times a power of ten apart) that reach from at most `low` to at least `high`."""
    if not high > low:
        around = abs(low) * 0.05 or 0.5
        low, high = low - around, high + around
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    apart = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / apart + 1e-9), math.ceil(high / apart - 1e-9)
    return [round(number * apart, 12) for number in range(first, last + 1)]


def as_text(values: Sequence[float]) -> list[str]:
    """Gives the round values with as many decimals as the one that needs most of them."""
    decimals = max(len(f"{value:.10f}".rstrip("0").partition(".")[2]) for value in values)
    return [f"{value:.{decimals}f}" for value in values]


def chart(
    title: str,
    series: Sequence[Series],
    *,
    y_label: str,
    x_label: str = "step",
    marked: float | None = None,
    mark_label: str = "",
    note: str = "",
    nothing: str = "nothing was measured",
) -> Html:
    """Gives a figure with the curves, both axes labelled, a legend, and the marked step as a vertical line.

    Without a single number in `series` it says `nothing` instead.
    """
    series = [one for one in series if _numbers(one.points)]
    points = [point for one in series for point in _numbers(one.points)]
    if not points:
        return tag("figure", tag("p", f"{title}: {nothing}.", class_="empty"), class_="chart")
    y_ticks = ticks(min(y for _, y in points), max(y for _, y in points))
    x_ticks = ticks(0, max(x for x, _ in points))
    x = Scale(x_ticks[0], x_ticks[-1], LEFT, RIGHT)
    y = Scale(y_ticks[0], y_ticks[-1], BOTTOM, TOP)
    drawn = [
        *_axes(x, x_ticks, y, y_ticks, x_label, y_label),
        *(_mark(x, marked, mark_label) if marked is not None else ()),
    ]
    drawn += [_curve(one, x, y) for one in series]
    picture = tag(
        "svg",
        *drawn,
        viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}",
        role="img",
        aria_label=_in_words(title, series, x_label, mark_label),
    )
    legend = tag("p", joined([_key(one) for one in series], " "), class_="legend")
    below = tag("p", note, class_="note") if note else ""
    return tag("figure", tag("h3", title), picture, legend, below, class_="chart")


def _axes(
    x: Scale, x_ticks: Sequence[float], y: Scale, y_ticks: Sequence[float], x_label: str, y_label: str
) -> list[Html]:
    lines = [_line(LEFT, y(value), RIGHT, y(value), "grid") for value in y_ticks]
    lines.append(_line(LEFT, BOTTOM, RIGHT, BOTTOM, "axis"))
    lines += [_line(x(value), BOTTOM, x(value), BOTTOM + 4, "axis") for value in x_ticks]
    texts = [
        _text(LEFT - 7, y(value) + 3.5, text, "end") for value, text in zip(y_ticks, as_text(y_ticks), strict=True)
    ]
    texts += [
        _text(x(value), BOTTOM + 16, text, "middle") for value, text in zip(x_ticks, as_text(x_ticks), strict=True)
    ]
    texts.append(_text(RIGHT, HEIGHT - 6, x_label, "end", "label"))
    texts.append(_text(4, TOP - 13, y_label, "start", "label"))
    return lines + texts


def _mark(x: Scale, marked: float, label: str) -> list[Html]:
    at = x(marked)
    near_end = at > (LEFT + RIGHT) / 2
    return [
        _line(at, TOP - 9, at, BOTTOM, "marked"),
        _text(at + 4, TOP - 13, label, "end" if near_end else "start", "marked"),
    ]


def _curve(series: Series, x: Scale, y: Scale) -> Html:
    parts = []
    if series.kind != "dots":
        parts += [
            tag("polyline", points=" ".join(f"{x(at):.2f},{y(value):.2f}" for at, value in run))
            for run in _runs(series.points)
            if len(run) > 1
        ]
    if series.kind != "line":
        radius = "1.1" if series.tone == "faint" else "2.8"
        parts += [
            tag("circle", cx=f"{x(at):.2f}", cy=f"{y(value):.2f}", r=radius) for at, value in _numbers(series.points)
        ]
    return tag("g", *parts, class_=f"series {series.tone}")


def _key(series: Series) -> Html:
    return tag("span", tag("i", class_=f"key {series.tone}"), series.label, class_="entry")


def _line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Html:
    return tag("line", x1=f"{x1:.2f}", y1=f"{y1:.2f}", x2=f"{x2:.2f}", y2=f"{y2:.2f}", class_=class_)


def _text(x: float, y: float, text: str, anchor: str, class_: str | None = None) -> Html:
    return tag("text", text, x=f"{x:.2f}", y=f"{y:.2f}", text_anchor=anchor, class_=class_)


def _numbers(points: Sequence[Point]) -> list[Point]:
    return [point for point in points if math.isfinite(point[1])]


def _runs(points: Sequence[Point]) -> list[list[Point]]:
    """Gives the points in runs without a gap."""
    runs: list[list[Point]] = [[]]
    for point in points:
        if math.isfinite(point[1]):
            runs[-1].append(point)
        elif runs[-1]:
            runs.append([])
    return runs


def _in_words(title: str, series: Sequence[Series], x_label: str, mark_label: str) -> str:
    """Gives what the chart shows for those who cannot see it: first and last value of each curve."""
    said = []
    for one in series:
        (first, start), (last, end) = _numbers(one.points)[0], _numbers(one.points)[-1]
        said.append(f"{one.label}: {start:.4g} ({x_label} {first:g}) → {end:.4g} ({x_label} {last:g})")
    return f"{title}: {'; '.join(said)}. {mark_label}".strip()
