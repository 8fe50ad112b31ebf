"""The columns of files are in the documentation."""

import re
from pathlib import Path

from domain.reports.focus import REQUEST_COLUMNS, USAGE_COLUMNS

REPORTS = Path(__file__).parents[3] / "docs" / "reports.md"


def test_every_column_of_focus_is_in_the_documentation() -> None:
    named = set(re.findall(r"`(\w+)`", REPORTS.read_text(encoding="utf-8")))
    of_focus = {name for name in (*REQUEST_COLUMNS, *USAGE_COLUMNS) if not name.startswith("x_")}

    assert of_focus - named == set()
    assert {"x_Lane", "x_Position", "x_VendorCost", "x_Margin"} <= named
