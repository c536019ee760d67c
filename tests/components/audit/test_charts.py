"""A plot is drawn in its own shapes: nothing that the page says of its words may change them."""

import re

from components.preprocess.audit import charts
from components.preprocess.audit.record import Drift
from sluice import page


def drift(psi):
    fields = dict.fromkeys(Drift.model_fields)
    return Drift.model_construct(
        **fields | {"column": "weight", "table": "test", "psi": psi, "psi_by_chance": 0.01}
    )


def test_a_bar_is_as_long_as_its_number():
    drawn = str(charts.drift_chart([drift(0.25), drift(0.125), drift(0.5)]))
    one, half, twice = map(float, re.findall(r'<rect class="\w+" [^>]*width="([\d.]+)"', drawn))
    assert (round(one / half, 2), round(twice / one, 2)) == (2, 2)


def test_only_running_text_and_code_break_within_a_word():
    rules = re.findall(r"([^{};]+)\{[^}]*overflow-wrap: anywhere", page._STYLE)
    assert [rule.strip() for rule in rules] == [".prose", "code"]
    cells = page.table(["text", "rows"], [[page.prose("<b>"), "training 3"]], words=2)
    assert '<td class="word"><div class="prose">&lt;b&gt;</div></td><td class="word">training 3</td>' in cells


def test_the_page_has_no_rule_for_what_plots_draw():
    drawn = str(charts.drift_chart([drift(0.01), drift(0.5)]))
    shapes = set(re.findall(r'class="(\w+)"', drawn))
    assert {"within", "beyond"} <= shapes
    assert not shapes & set(re.findall(r"\.([a-z]\w*)", page._STYLE))
