"""A wrong recipe is told in full: each mistake with its line, what was got, what is allowed, what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sluice.contract.errors import RecipeError
from sluice.recipe import parse_recipe, read_recipe
from sluice.recipe.source import plain_value

RECIPE = Path(__file__).with_name("parcels.yaml").read_text(encoding="utf-8")
FREE = {"place", "street", "column", "accuracy", "loss"}
"""Keys of RECIPE that are names or arguments, not fields of the format."""


def mistakes_in(text: str) -> list[str]:
    with pytest.raises(RecipeError) as refused:
        parse_recipe(text, "parcels.yaml")
    return refused.value.mistakes


def changed(old: str, new: str) -> str:
    assert RECIPE.count(old) == 1, f"{old!r} has to be in RECIPE once"
    return RECIPE.replace(old, new)


def only_mistake_in(text: str) -> str:
    (mistake,) = mistakes_in(text)
    return mistake


def test_a_right_recipe_is_read_in_full():
    recipe = parse_recipe(RECIPE, "parcels.yaml")
    assert recipe.columns.hierarchical == {"place": ("country", "street")}
    assert recipe.data.derive[0].columns == ("sent_year", "sent_month")
    assert recipe.training.learning_rate == 1e-5
    assert recipe.features.clip_iqr == 2.0


def test_the_same_text_is_parsed_once():
    assert parse_recipe(RECIPE, "parcels.yaml") is parse_recipe(RECIPE, "parcels.yaml")


def test_all_mistakes_are_told_at_once_in_the_order_of_their_lines():
    text = changed("minimum_rows: 3", "minimum_row: 3").replace("dropout: 0.2", "dropout: 2")
    text = text.replace("numeric: [weight]", "numeric: ['Weight ']").replace("train: 0.7", "train: 0.6")
    assert mistakes_in(text) == [
        "line 22: columns.numeric[0]: got 'Weight '; allowed: names as standardised: trimmed, lower case, "
        "underscores; did you mean 'weight'?",
        "line 31: rare_classes.minimum_row: unknown key; allowed: minimum_rows; did you mean 'minimum_rows'?",
        "line 32: split: train, validation and test add up to 0.9; allowed: 1",
        "line 55: model.dropout: got the number 2; allowed: less than 1",
    ]


def test_the_error_says_where_and_how_many():
    with pytest.raises(RecipeError) as refused:
        parse_recipe(changed("epochs: 2", "epochs: 0"), "parcels.yaml")
    assert str(refused.value) == (
        "parcels.yaml: 1 mistake in the recipe\n"
        "  line 57: training.epochs: got the number 0; allowed: more than 0."
    )


def fields_of_the_recipe() -> list[tuple[int, str]]:
    """The line and key of every field in RECIPE, the first of a list item too."""
    found = []
    for number, line in enumerate(RECIPE.splitlines(), start=1):
        key = line.strip().removeprefix("- ").partition(":")[0]
        if key not in FREE:
            found.append((number, key))
    return found


MISSPELLINGS = {
    "doubled": lambda key, at: key[:at] + key[at] + key[at:],
    "another letter": lambda key, at: key[:at] + "x" + key[at:],
    "upper case": lambda key, at: key[:at] + key[at].upper() + key[at + 1 :],
}


@given(st.sampled_from(fields_of_the_recipe()), st.sampled_from(sorted(MISSPELLINGS)), st.data())
def test_a_misspelt_key_is_told_with_its_line_and_the_right_spelling(field, how, data):
    number, key = field
    at = data.draw(st.sampled_from([i for i, letter in enumerate(key) if letter.isalpha()]))
    misspelt = MISSPELLINGS[how](key, at)
    lines = RECIPE.splitlines()
    lines[number - 1] = lines[number - 1].replace(f"{key}:", f"{misspelt}:", 1)
    mistake = only_mistake_in("\n".join(lines))
    assert mistake.startswith(f"line {number}: ")
    assert f"{misspelt}: unknown key; allowed: " in mistake
    assert mistake.endswith(f"; did you mean {key!r}?")


@given(st.text(alphabet=st.sampled_from("version:1 \n-[]{}&*!|>'\"#%@`,?<~.0e_áÿ\t\\u")))
def test_whatever_the_text_is_the_answer_is_a_recipe_or_its_mistakes(text):
    with pytest.raises(RecipeError):
        parse_recipe(text, "noise.yaml")


@given(st.integers(0, len(RECIPE)), st.text(min_size=1, max_size=4))
def test_whatever_is_typed_into_a_recipe_the_answer_is_a_recipe_or_its_mistakes(at, typed):
    mistakes: list[str] = []
    try:
        parse_recipe(RECIPE[:at] + typed + RECIPE[at:], "parcels.yaml")
    except RecipeError as refused:
        mistakes = refused.mistakes
    assert all(mistake.startswith("line ") for mistake in mistakes)


def test_a_key_of_another_section_is_sent_there():
    assert only_mistake_in(changed("  epochs: 2", "  dropout: 0.1")) == (
        "line 57: training.dropout: unknown key; it belongs under model; allowed: epochs, batch_size, "
        "learning_rate, head_learning_rate, weight_decay, warmup, class_weights, gradient_clip, patience, seed, "
        "precision"
    )


def test_a_missing_section_is_told_with_what_it_is_for():
    text = changed("registry:\n  group: parcels\n", "")
    assert only_mistake_in(text) == "line 1: registry: missing; allowed: Where an accepted model goes"


def test_a_missing_key_is_told_at_its_section():
    text = changed("  label: kind\n", "")
    assert only_mistake_in(text) == "line 16: columns.label: missing; allowed: The column to predict"


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        (
            "[note, street]",
            "[2020, street]",
            "line 18: columns.text[0]: got the number 2020; write '2020' in quotes if it is meant as text; "
            "allowed: text",
        ),
        (
            "label: kind",
            "label: no",
            "line 23: columns.label: got the truth value false; write 'no' in quotes if it is meant as text; "
            "allowed: text",
        ),
        (
            "[weight]",
            "weight",
            "line 22: columns.numeric: got the text 'weight'; write [weight]; allowed: a list",
        ),
        ("epochs: 2", "epochs: '2'", "line 57: training.epochs: got the text '2'; allowed: a whole number"),
        ("epochs: 2", "epochs: 2.5", "line 57: training.epochs: got the number 2.5; allowed: a whole number"),
        (
            "epochs: 2",
            "epochs:",
            "line 57: training.epochs: got nothing; leave the key out to get its default, or give it a value; "
            "allowed: a whole number",
        ),
        (
            "stratify: true",
            "stratify: 1",
            "line 37: split.stratify: got the number 1; allowed: true or false",
        ),
        (
            "precision: float32",
            "precision: float23",
            "line 67: training.precision: got the text 'float23'; allowed: auto, float32, bfloat16; "
            "did you mean 'float32'?",
        ),
        (
            "accuracy: 0.5",
            "acuracy: 0.5",
            "line 70: gates.at_least.acuracy: got the text 'acuracy'; allowed: accuracy, macro_f1, weighted_f1, "
            "top_3_accuracy, top_5_accuracy; did you mean 'accuracy'?",
        ),
        (
            "[country, street]",
            "[country]",
            "line 21: columns.hierarchical.place: has 1; allowed: 2 items or more",
        ),
        (
            "'(?P<sent_year>[0-9]{4})-(?P<sent_month>[0-9]{2})'",
            "'(?P<sent_month>['",
            "line 7: data.derive[0].pattern: not a regular expression: unterminated character set at position 15",
        ),
        (
            "-(?P<sent_month>",
            "-(?=[01])(?P<sent_month>",
            "line 7: data.derive[0].pattern: look-around and back references are not part of RE2; write the "
            "pattern without them",
        ),
        (
            "name: parcels",
            "name: my parcels",
            "line 2: name: got the text 'my parcels'; allowed: 1 to 63 letters, digits, dots, dashes and "
            "underscores, the first a letter or digit",
        ),
        (
            "type: expect_column_values_to_not_be_null",
            "type: ExpectColumnValuesToNotBeNull",
            "line 42: expectations[0].type: got the text 'ExpectColumnValuesToNotBeNull'; allowed: a "
            "great-expectations name such as expect_column_values_to_not_be_null; did you mean "
            "'expect_column_values_to_not_be_null'?",
        ),
        ("file: kinds.csv", "file: ''", "line 9: data.merge.file: is empty; allowed: text"),
        (
            "{column: kind}",
            "{column: kind, value: no}",
            "line 43: expectations[0].kwargs.value: no can be a word or a truth value; allowed: 'no' in quotes, "
            "or false",
        ),
        (
            "waived_because: it explains itself better",
            "waived_because: ' '",
            "line 75: gates.linear_baseline.waived_because: got the text ' '; allowed: a reason that a reader "
            "can judge",
        ),
    ],
)
def test_a_wrong_value_is_told_in_plain_words(old, new, mistake):
    assert only_mistake_in(changed(old, new)) == mistake


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        ("  seed: 5", "  seed: 5\n  seed: 6", "line 37: split.seed: given twice, first on line 36"),
        (
            "seed: 5",
            "seed: &n 5",
            "line 36: the anchor &n; write the value out where it is needed",
        ),
        (
            "seed: 5",
            "seed: *n",
            "line 36: the alias *n; write the value out, a recipe has no references",
        ),
        ("seed: 5", "seed: !!int 5", "line 36: the tag tag:yaml.org,2002:int; write the value without it"),
        ("files: [", "files: !include [", "line 4: the tag !include; write the value without it"),
        ("  seed: 5", "  ? [a]\n  : b", "line 36: split: a list or mapping as a key; allowed: text"),
        ("  seed: 5", "\tseed: 5", "line 36: a tab in the indentation; YAML indents with blanks"),
        ("seed: 5", "seed: \x07", "line 36: not YAML: the control character U+0007"),
        ("seed: 5", "seed: a: 5", "line 36: not YAML: mapping values are not allowed here"),
        (
            "[country, street]",
            "[country, street",
            "line 22: not YAML: expected ',' or ']', but got ':' (while parsing a flow sequence, line 21)",
        ),
        (
            "name: parcels",
            'name: "\\ud800"',
            "line 2: name: an escape that is half of a surrogate pair; allowed: whole characters",
        ),
    ],
)
def test_yaml_that_a_recipe_does_not_need_is_refused(old, new, mistake):
    assert mistake in mistakes_in(changed(old, new))


def test_nothing_is_said_about_the_value_that_an_alias_stands_for():
    text = changed("seed: 5", "seed: *n").replace("{column: kind}", "{column: *n}")
    assert [mistake.split(":")[0] for mistake in mistakes_in(text)] == ["line 36", "line 43"]


def test_below_a_misspelt_section_mistakes_are_told_in_the_same_run():
    text = changed("columns:\n  id", "colums:\n  iid").replace("[weight]", "[2020, kind]")
    assert [mistake.split(";")[0] for mistake in mistakes_in(text)] == [
        "line 16: colums: unknown key",
        "line 17: columns.iid: unknown key",
        "line 22: columns.numeric[0]: got the number 2020",
    ]


def test_misspelt_sections_within_misspelt_sections_are_told_in_the_same_run():
    text = changed("gates:", "gate:").replace("linear_baseline:", "linear_base:").replace("margin:", "margn:")
    assert [mistake.split(";")[0] for mistake in mistakes_in(text)] == [
        "line 68: gate: unknown key",
        "line 73: gates.linear_base: unknown key",
        "line 74: gates.linear_baseline.margn: unknown key",
    ]


def test_a_key_beside_its_misspelling_keeps_its_value():
    text = changed("  seed: 5", "  seeed: many\n  seed: 5")
    assert only_mistake_in(text).startswith("line 36: split.seeed: unknown key")


def test_a_merge_key_is_refused():
    text = changed("  seed: 5", "  <<: {seed: 5}")
    assert only_mistake_in(text) == "line 36: split: the merge key <<; write the keys out here"


def test_an_alias_of_itself_is_refused_too():
    assert "line 2: the alias *a; write the value out, a recipe has no references" in mistakes_in(
        changed("name: parcels", "name: &a [*a]")
    )


def test_nothing_is_read_from_the_environment(monkeypatch):
    monkeypatch.setenv("NOTE", "note")
    text = changed("backbone: package:some-model", "backbone: ${NOTE}")
    assert parse_recipe(text, "parcels.yaml").model.backbone == "${NOTE}"


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("", "line 1: the recipe is empty; allowed: a mapping, beginning with version: 1"),
        ("# nothing yet\n", "line 1: the recipe is empty; allowed: a mapping, beginning with version: 1"),
        (
            "- a\n",
            "line 1: the recipe is not a mapping; allowed: key: value lines, beginning with version: 1",
        ),
        (
            "hello",
            "line 1: the recipe is not a mapping; allowed: key: value lines, beginning with version: 1",
        ),
        ("[" * 5000, "line 1: nested too deeply"),
    ],
)
def test_what_is_no_recipe_at_all_is_told_so(text, mistake):
    assert only_mistake_in(text) == mistake


def test_a_second_document_is_refused():
    assert "expected a single document" in only_mistake_in(RECIPE + "---\nversion: 1\n")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("1e-5", 1e-5),
        ("1E5", 1e5),
        (".5", 0.5),
        ("-3", -3),
        ("yes", True),
        ("Off", False),
        ("~", None),
        ("012", "012"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2020-01-01", "2020-01-01"),
        ("12345678901234567890", "12345678901234567890"),
        ("1e999", "1e999"),
        (".nan", ".nan"),
        ("0x10", "0x10"),
    ],
)
def test_an_unquoted_scalar_means_what_a_reader_would_say(written, meant):
    assert plain_value(written) == meant
    assert type(plain_value(written)) is type(meant)


@given(
    st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | st.integers(-(10**18) + 1, 10**18 - 1)
)
def test_what_a_yaml_writer_writes_is_read_as_the_same_value(value):
    assert plain_value(yaml.safe_dump(value).splitlines()[0]) == value


def test_a_file_and_its_uri_are_the_same_recipe(tmp_path: Path):
    file = tmp_path / "a recipe.yaml"
    file.write_text(RECIPE, encoding="utf-8-sig")
    assert read_recipe(file) == read_recipe(file.as_uri())
    assert parse_recipe(read_recipe(file), "parcels.yaml") == parse_recipe(RECIPE, "parcels.yaml")


def test_a_file_that_is_not_there_is_told_so(tmp_path: Path):
    with pytest.raises(
        RecipeError, match=r"none\.yaml: 1 mistake in the recipe\n  can't be read: No such file"
    ):
        read_recipe(tmp_path / "none.yaml")


def test_bytes_that_are_not_utf_8_are_told_with_their_line(tmp_path: Path):
    file = tmp_path / "latin.yaml"
    file.write_bytes("version: 1\nname: größe\n".encode("latin-1"))
    with pytest.raises(RecipeError) as refused:
        read_recipe(file)
    assert refused.value.mistakes == ["line 2: the byte 0xf6 is not UTF-8; allowed: a recipe saved as UTF-8"]
