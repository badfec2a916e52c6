"""``python -m deploy.grafana.build``: write each dashboard to dashboards/<name>.json. A test keeps them so."""

from __future__ import annotations

import itertools
from pathlib import Path

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard, prometheus, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as models

from deploy.grafana.panels import BOARDS, Board, Panel

FOLDER = Path(__file__).parent / "dashboards"
SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
WIDTH, HEIGHT = 8, 8


def documents() -> dict[str, str]:
    """File name -> JSON, as Grafana imports and provisions it."""
    encode = JSONEncoder(indent=1, sort_keys=True, ensure_ascii=False).encode
    return {f"{name}.json": encode(board(found).build()) + "\n" for name, found in BOARDS.items()}


def write() -> list[Path]:
    """Write what differs; returns the paths of that."""
    changed = []
    for name, text in documents().items():
        path = FOLDER / name
        if not path.exists() or path.read_text() != text:
            FOLDER.mkdir(exist_ok=True)
            path.write_text(text)
            changed.append(path)
    return changed


def board(found: Board) -> dashboard.Dashboard:
    """One dashboard, with a choice of the Prometheus it reads."""
    made = (
        dashboard.Dashboard(found.title)
        .uid(found.uid)
        .description(found.description)
        .tags(["nova-feed"])
        .time("now-1h", "now")
        .refresh("30s")
        .timezone("browser")
        .readonly()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    )
    ids = itertools.count(1)
    for title, panels in found.rows.items():
        made = made.with_row(dashboard.Row(title).id(next(ids)))
        for panel in panels:
            made = made.with_panel(graph(panel).id(next(ids)))
    return made


def graph(panel: Panel) -> timeseries.Panel:
    """One panel: its queries over time, and a line at its limit."""
    made = (
        timeseries.Panel()
        .title(panel.title)
        .description(f"Right: {panel.right}.")
        .unit(panel.unit)
        .min(0)
        .datasource(SOURCE)
        .height(HEIGHT)
        .span(WIDTH)
        .legend(
            common_builders.VizLegendOptions().show_legend(show_legend=True).placement(common.LegendPlacement.BOTTOM)
        )
    )
    for ref, query in zip("ABCDEF", panel.queries, strict=False):
        made = made.with_target(prometheus.Dataquery().expr(query.expr).legend_format(query.legend).range().ref_id(ref))
    if panel.limit is not None:
        below, above = ("red", "green") if panel.at_least else ("green", "red")
        steps = [models.Threshold(value=None, color=below), models.Threshold(value=panel.limit, color=above)]
        made = made.thresholds(
            dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)
        ).thresholds_style(common_builders.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.LINE))
    return made


if __name__ == "__main__":
    for changed in write():
        print(f"wrote {changed.relative_to(Path.cwd()) if changed.is_relative_to(Path.cwd()) else changed}")
