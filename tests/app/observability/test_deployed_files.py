"""The dashboard and the alerts name metrics and labels that there are, and every alert is explained."""

import json
import re
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped,unused-ignore]  # it ships no types

from app.observability.metrics import METRICS, Metric
from app.reference import DOCS

FOLDER = DOCS.parent / "deploy" / "observability"
GENERAL = {"le", "job", "instance"}


def series(metric: Metric) -> set[str]:
    """Give the names under which Prometheus has a metric."""
    match metric.kind:
        case "histogram":
            return {metric.name + end for end in ("_bucket", "_sum", "_count")}
        case "counter":
            return {metric.name + "_total"}
        case _:
            return {metric.name}


LABELS = {name: set(metric.labels) | GENERAL for metric in METRICS for name in series(metric)}


def alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def expressions() -> list[str]:
    """Give every expression of the dashboard and of the alerts."""
    panels = json.loads((FOLDER / "dashboard.json").read_text())["panels"]
    shown = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    return [*shown, *(rule["expr"] for rule in alerts())]


def named(expression: str) -> set[str]:
    """Give the metrics that an expression names."""
    return set(re.findall(r"\b(?:tallygate|http_server|gen_ai|process)_[a-z_]+", _bare(expression)))


def _bare(expression: str) -> str:
    """Leave out selectors and groupings, whose words are labels."""
    return re.sub(r"\{[^}]*\}|\bby \([^)]*\)", "", expression)


@pytest.mark.parametrize("expression", expressions())
def test_what_an_expression_names_is_there(expression: str) -> None:
    names = named(expression)
    assert names <= LABELS.keys()
    used = set(re.findall(r"([a-z_]+)(?:=~|!~|!=|=)\"", expression))
    for group in re.findall(r"\bby \(([^)]*)\)", expression):
        used |= set(re.split(r", ?", group))
    known = set.union(GENERAL, *(LABELS[name] for name in names))
    assert used <= known
    assert expression.count("(") == expression.count(")")


def test_every_metric_is_on_the_dashboard() -> None:
    on_it = set.union(*(named(expression) for expression in expressions()))

    assert [metric.name for metric in METRICS if not series(metric) & on_it] == []


def test_every_alert_says_what_is_wrong_and_is_explained() -> None:
    page = (DOCS / "observability.md").read_text()
    explained = re.findall(r"^### (\w+)$", page, re.MULTILINE)

    assert [rule["alert"] for rule in alerts()] == explained
    for rule in alerts():
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert rule["annotations"]["summary"]


def test_a_figure_of_the_database_is_never_added_up_over_nodes() -> None:
    shared = {metric.name for metric in METRICS if metric.scope == "database"}

    for expression in expressions():
        if named(expression) & shared:
            assert "sum" not in expression


def test_the_control_a_name_that_is_not_there_is_seen() -> None:
    assert named('sum by (code) (rate(tallygate_nothing_total{code="x"}[5m]))') == {"tallygate_nothing_total"}
    assert "tallygate_nothing_total" not in LABELS


def test_panels_do_not_overlap() -> None:
    places: set[tuple[int, int]] = set()
    for panel in json.loads((FOLDER / "dashboard.json").read_text())["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & places
        assert at["x"] + at["w"] <= 24
        places |= cells
