"""What a recipe says of its data fits together: names, the order of rules, types; all told at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.contract.errors import RecipeError
from sluice.recipe import parse_recipe

RECIPE = Path(__file__).with_name("parcels.yaml").read_text(encoding="utf-8")
STANDARD = "; allowed: names as standardised: trimmed, lower case, underscores"


def recipe(data: str = "", columns: str = "") -> str:
    """The parcels' recipe with more under data, its fifth line on, and more under columns."""
    lines = "".join(f"  {line}\n" for line in data.splitlines())
    text = RECIPE.replace("  derive:\n", lines + "  derive:\n")
    return text.replace("  group: sender\n", f"  group: sender\n{columns}")


def mistakes_in(text: str) -> list[str]:
    with pytest.raises(RecipeError) as refused:
        parse_recipe(text, "parcels.yaml")
    return refused.value.mistakes


@pytest.mark.parametrize(
    ("data", "mistake"),
    [
        ("rename: {Vendor: sender}", f"data.rename.Vendor: got 'Vendor'{STANDARD}; did you mean 'vendor'?"),
        ("rename: {vendor: The Sender}", f"data.rename.vendor: got 'The Sender'{STANDARD}; did you mean 'the_sender'?"),
        ("rename: {sender: sender}", "data.rename.sender: 'sender' is what it is called already; allowed: another name"),
        (
            "rename: {note: road}",
            "columns.text[0]: got 'note', which data.rename calls 'road'; allowed: the new name; did you mean 'road'?",
        ),
        (
            "rename: {kind_id: code}",
            "data.merge.key: got 'kind_id', which data.rename calls 'code'; allowed: the new name; did you mean 'code'?",
        ),
        (
            "rename: {class: kind}",
            "data.merge.columns[0]: makes 'kind', which data.rename.class has already; allowed: a new name",
        ),
        ("types: {Weight: {type: number}}", f"data.types.Weight: got 'Weight'{STANDARD}; did you mean 'weight'?"),
        ("keep: {Kind: [a]}", f"data.keep.Kind: got 'Kind'{STANDARD}; did you mean 'kind'?"),
        ("keep: {kind: [a, a]}", "data.keep.kind[1]: 'a' is listed twice; allowed: once"),
        (
            "keep: {kind: [a, ' b']}",
            "data.keep.kind[1]: got ' b', which no cell can be; allowed: a value without blanks around it",
        ),
        (
            "recode: [{from: rate, to: sort, values: {'1': ''}}]",
            "data.recode[0].values.1: got '', which no cell can be; allowed: a value without blanks around it",
        ),
        (
            "types: {sent: {type: date}}",
            "data.types.sent.format: missing; allowed: how dates are written, such as %d/%m/%Y",
        ),
        (
            "types: {sent: {type: date, format: '%d.%Y'}}",
            "data.types.sent.format: got '%d.%Y', which leaves year or month open; allowed: a format of strptime: %d/%m/%Y",
        ),
        (
            "types: {sent: {type: date, format: '%Y-%m-%Q'}}",
            "data.types.sent.format: got '%Y-%m-%Q', which can't be read: 'Q' is a bad directive in format '%Y-%m-%Q'; "
            "allowed: a format of strptime: %d/%m/%Y",
        ),
        (
            "types: {weight: {type: number, format: '%Y'}}",
            "data.types.weight.format: a number has no format; allowed: dates only",
        ),
        (
            "types: {weight: {type: number, decimal: ',', thousands: ','}}",
            "data.types.weight.thousands: ',' is the decimal sign too; allowed: another sign, or none",
        ),
        (
            "types: {note: {type: text, thousands: ','}}",
            "data.types.note.thousands: a text is no number; allowed: numbers and integers only",
        ),
        (
            "types: {note: {type: text, unparsed: 'null'}}",
            "data.types.note.unparsed: any cell is text; allowed: numbers, integers and dates only",
        ),
        (
            "types: {weight: {type: number, currency: ['1']}}",
            "data.types.weight.currency[0]: got the text '1'; allowed: a sign or code without digits, signs and "
            "parentheses",
        ),
        (
            "types: {weight: {type: number, thousand: ','}}",
            "data.types.weight.thousand: unknown key; allowed: type, format, decimal, thousands, currency, parentheses, "
            "unparsed; did you mean 'thousands'?",
        ),
        (
            "types: {weight: {type: text}}",
            "columns.numeric[0]: 'weight' is a text by data.types; allowed: a column of type number or integer, or "
            "without one",
        ),
        (
            "recode: [{from: kind, to: sort, values: {a: b}}]",
            "data.recode[0].from: takes 'kind', which data.merge makes later; allowed: a column of the files, or one "
            "made before: derive, recode, merge",
        ),
        (
            "recode: [{from: rate, to: sent_year, values: {a: b}}]",
            "data.recode[0].to: makes 'sent_year', which data.derive[0].pattern has already; allowed: a new name",
        ),
        (
            "recode: [{from: note, to: kind_id, values: {a: b}}]",
            "columns.text[0]: the label 'kind' is made from 'note'; allowed: no such feature",
        ),
        (
            "recode: [{from: rate, to: Sort, values: {a: b}}]",
            f"data.recode[0].to: got 'Sort'{STANDARD}; did you mean 'sort'?",
        ),
        ("csv: {encoding: utf8}", "data.csv.encoding: got the text 'utf8'; allowed: utf-8, utf-16, latin-1, cp1252; did you mean 'utf-8'?"),
        ("csv: {header_line: 0}", "data.csv.header_line: got the number 0; allowed: more than 0"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_told(data, mistake):
    assert [each.split(": ", 1)[1] for each in mistakes_in(recipe(data))] == [mistake]


def test_a_time_that_is_no_date_is_told():
    allowed = "; allowed: a column that data.types gives the type date and its format"
    no_date = f"columns.time: 'sent' is no date by data.types{allowed}"
    assert mistakes_in(recipe(columns="  time: sent\n")) == [f"line 25: {no_date}"]
    text = recipe("types: {sent: {type: date, format: '%Y-%m-%d'}}", columns="  time: sent\n")
    assert parse_recipe(text, "x").columns.time == "sent"


def test_a_label_recoded_from_a_column_makes_that_column_a_leak():
    text = recipe("recode: [{from: note, to: mood, values: {a: good, b: bad}}]")
    text = text.replace("label: kind", "label: mood").replace("{column: kind}", "{column: mood}")
    assert mistakes_in(text) == [
        "line 19: columns.text[0]: the label 'mood' is made from 'note'; allowed: no such feature"
    ]


def test_a_feature_made_from_the_label_is_a_leak():
    text = RECIPE.replace("from: sent\n", "from: kind\n").replace(
        "    columns: [kind]", "    columns: [sort]"
    )
    assert mistakes_in(text) == [
        "line 19: columns.categorical[0]: 'sent_month' is made from the label 'kind'; allowed: no such feature"
    ]


def test_all_mistakes_are_told_at_once():
    data = (
        "rename: {Vendor: sender}\n"
        "types: {sent: {type: date}, weight: {type: number, decimal: ',', thousands: ','}}\n"
        "keep: {kind: [a, a]}"
    )
    assert [each.split(": ")[1] for each in mistakes_in(recipe(data))] == [
        "data.rename.Vendor",
        "data.types.sent.format",
        "data.types.weight.thousands",
        "data.keep.kind[1]",
    ]


def test_a_recipe_with_every_field_of_data_is_in_order():
    data = (
        "csv: {encoding: cp1252, delimiter: semicolon, header_line: 3}\n"
        "rename: {vendor: sender, kind: old_kind}\n"
        "types:\n"
        "  weight: {type: number, decimal: ',', thousands: '.', currency: [£, EUR, 'kr.'], parentheses: true}\n"
        "  sent: {type: date, format: '%d/%m/%Y', unparsed: 'null'}\n"
        "recode: [{from: old_kind, to: mood, values: {'1': bad, '5': good}}]\n"
        "keep: {mood: [bad, good]}"
    )
    assert parse_recipe(recipe(data), "x").data.recode[0].values == {"1": "bad", "5": "good"}
