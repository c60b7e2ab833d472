"""Fault words of controllers."""

from __future__ import annotations

import pytest

from rules.alarms import State
from rules.asset import AssetMonitor
from rules.events import SECOND, Command, Revision
from rules.ruleset import RuleSet, load_rules
from tests.rules.plant import T0, refused, seen, tick, told, watching

BITS = """{type: alarm_table, signal: faults, holds: bits, table: [
    {code: 0, text: Emergency stop, priority: critical, response: Find out who pressed it.},
    {code: 3, text: Coolant low}]}"""
CODES = "{type: alarm_table, signal: fault, table: [{code: 17, text: Coolant low}, {code: E4, text: Door open}]}"


def parts(m: AssetMonitor, *events: object) -> list[tuple[str | None, str]]:
    return [(t.part, t.event) for e in events for t in m.handle(e)]  # type: ignore[arg-type]


def test_each_bit_is_an_alarm_of_its_own():
    m = watching(BITS)
    assert parts(m, seen(0, faults=0), seen(1, faults=8), seen(2, faults=9)) == [("3", "raised"), ("0", "raised")]
    assert parts(m, seen(3, faults=1)) == [("3", "cleared")]


def test_a_row_brings_its_text_priority_and_response():
    m = watching(BITS)
    (stop,) = m.handle(seen(0, faults=1))
    assert (stop.priority, stop.reason["text"]) == ("critical", "Emergency stop (faults 0)")
    assert stop.reason["response"] == "Find out who pressed it."
    (coolant,) = m.handle(seen(1, faults=9))
    assert coolant.priority == "medium"
    assert "response" not in coolant.reason


def test_a_code_replaces_the_one_before():
    m = watching(CODES)
    assert parts(m, seen(0, fault=0), seen(1, fault=17), seen(2, fault="E4"), seen(3, fault="")) == [
        ("17", "raised"), ("17", "cleared"), ("E4", "raised"), ("E4", "cleared"),
    ]  # fmt: skip


def test_what_is_not_in_the_table_is_an_alarm_too():
    m = watching(CODES)
    (raised,) = m.handle(seen(0, fault=99))
    assert (raised.part, raised.reason["text"]) == ("unlisted", "fault: 99 is not in the table")
    m = watching(BITS)
    assert parts(m, seen(0, faults=2 + 8)) == [("3", "raised"), ("unlisted", "raised")]


@pytest.mark.parametrize(("word", "raised"), [(-32768 + 8, True), (-32768, False), (-1.0, True), (-(2**31) + 8, True)])
def test_negative_words_are_twos_complement(word: float, raised: bool):
    assert (("3", "raised") in parts(watching(BITS), seen(0, faults=word))) is raised


def test_what_is_no_word_follows_the_quality_policy():
    m = watching(BITS)
    assert parts(m, seen(0, faults=8), seen(1, faults=1.5), seen(2, faults=None), seen(3, faults="x")) == [
        ("3", "raised")
    ]


def test_two_hundred_codes_are_two_hundred_alarms():
    rows = ", ".join(f"{{code: {n}, text: Fault {n}}}" for n in range(1, 201))
    m = watching(f"{{type: alarm_table, signal: fault, table: [{rows}]}}")
    told = parts(m, *[seen(n, fault=n) for n in range(1, 201)])
    assert sum(event == "raised" for _, event in told) == 200
    assert {part for part, _ in told} == {str(n) for n in range(1, 201)}


def test_tables_that_make_no_sense_are_refused():
    assert "not a bit" in refused("{type: alarm_table, signal: f, holds: bits, table: [{code: 64, text: x}]}")
    assert "twice" in refused("{type: alarm_table, signal: f, table: [{code: 1, text: x}, {code: 1, text: y}]}")
    assert "not allowed" in refused("{type: alarm_table, signal: f, table: [{code: a/b, text: x}]}")
    assert "there is no `faults.csv`" in refused("{type: alarm_table, signal: f, table: faults.csv}")


@pytest.mark.parametrize("said", ["bits: true", "codes: false", "holds: bits, bits: true", "bits: true, codes: false"])
def test_bits_may_be_spelled_by_their_name(said: str):
    m = watching(BITS.replace("holds: bits", said))
    assert parts(m, seen(0, faults=9)) == [("0", "raised"), ("3", "raised")]
    assert m.rules.rules[0].detection_key == watching(BITS).rules.rules[0].detection_key


def test_codes_may_be_spelled_by_their_name():
    assert parts(watching(CODES.replace("signal", "codes: true, signal")), seen(0, fault=17)) == [("17", "raised")]


@pytest.mark.parametrize("said", ["bits: true, codes: true", "holds: codes, bits: true", "bits: false, codes: false"])
def test_spellings_that_contradict_each_other_are_refused(said: str):
    assert "contradict each other" in refused(BITS.replace("holds: bits", said))


@pytest.mark.parametrize(
    ("said", "codes", "doubted"),
    [
        ("", ("0", "31"), True),
        ("", ("1", "32"), False),
        ("", ("1", "E4"), False),
        ("holds: codes, ", ("1", "2"), False),
        ("codes: true, ", ("1", "2"), False),
        ("bits: true, ", ("1", "2"), False),
    ],
)
def test_codes_that_look_like_bits_are_doubted_where_nothing_is_said(said: str, codes: tuple[str, ...], doubted: bool):
    rows = ", ".join(f"{{code: {code}, text: x}}" for code in codes)
    rule = f"{{id: r, kind: equipment, response: x, detect: {{type: alarm_table, {said}signal: f, table: [{rows}]}}}}"
    problems = load_rules({"rules/a.yaml": f"rules: [{rule}]"}, site=True).problems
    assert [p.severity for p in problems if "look like bits" in p.message] == ["warning"] * doubted


RULE = (
    "rules:\n  - {id: r, kind: equipment, assets: m, detect: {type: alarm_table, signal: fault, table: faults.csv}}\n"
)


def loaded(csv: str) -> list[str]:
    result = load_rules({"rules/a.yaml": RULE, "rules/faults.csv": csv})
    return [str(problem) for problem in result.problems]


def test_a_table_may_stand_in_a_csv_file_beside_the_rule_file():
    csv = 'code;text;priority\r\n17;"Coolant; low";high\r\n\r\nE4;Door open;\r\n'
    result = load_rules({"rules/a.yaml": RULE, "rules/faults.csv": csv})
    assert result.ruleset is not None, result.problems
    (raised,) = AssetMonitor("m", result.ruleset).handle(seen(0, fault=17))
    assert (raised.priority, raised.reason["text"]) == ("high", "Coolant; low (fault 17)")


def test_a_changed_table_is_another_revision():
    one = load_rules({"rules/a.yaml": RULE, "rules/faults.csv": "code,text\n1,a\n"}).ruleset
    two = load_rules({"rules/a.yaml": RULE, "rules/faults.csv": "code,text\n1,b\n"}).ruleset
    assert one is not None
    assert two is not None
    assert one.revision != two.revision


ROWS = "code,text,priority,response\n1,a,low,x\n2,b,low,x\n"


def table(csv: str, more: str = "") -> RuleSet:
    found = load_rules({"rules/a.yaml": RULE.replace("faults.csv}", f"faults.csv{more}}}"), "rules/faults.csv": csv})
    assert found.ruleset is not None, found.problems
    return found.ruleset


def acknowledged_under(csv: str) -> AssetMonitor:
    """Code 1 is there, and acknowledged."""
    m = AssetMonitor("m", table(csv))
    told(m, seen(0, fault=1), Command(T0 + SECOND, "acknowledge", "m", "m:r:1", "kim"))
    return m


@pytest.mark.parametrize(
    "csv",
    [
        ROWS.replace("1,a,low,x", "1,another text,critical,Do something else."),
        ROWS.replace("2,b,low,x\n", ""),
        ROWS + "3,c,low,x\n",
    ],
)
def test_what_is_changed_in_the_table_leaves_the_other_alarms_as_they_are(csv: str):
    m = acknowledged_under(ROWS)
    assert told(m, Revision(T0 + 2 * SECOND, table(csv))) == []
    assert m.watching("r")[0].alarm.state is State.ACKNOWLEDGED
    again = AssetMonitor.restore(table(csv), acknowledged_under(ROWS).snapshot())
    assert again.watching("r")[0].alarm.state is State.ACKNOWLEDGED


def test_a_row_that_is_removed_takes_its_own_alarm_with_it():
    m = acknowledged_under(ROWS)
    told_of = m.handle(Revision(T0 + 2 * SECOND, table(ROWS.replace("1,a,low,x\n", ""))))
    assert [(t.part, t.event) for t in told_of] == [("1", "cleared"), ("unlisted", "raised")]
    assert told_of[0].reason["why"] == "rule_changed"


def test_a_row_for_what_was_unlisted_ends_that_alarm():
    m = AssetMonitor("m", table(ROWS))
    m.handle(seen(0, fault=3))
    told_of = m.handle(Revision(T0 + SECOND, table(ROWS + "3,c,low,x\n")))
    assert sorted((t.part, t.event) for t in told_of) == [("3", "raised"), ("unlisted", "cleared")]


def test_what_decides_for_all_rows_withdraws_all_alarms():
    m = acknowledged_under(ROWS)
    assert told(m, Revision(T0 + 2 * SECOND, table(ROWS, ", on_delay: 5s"))) == [("r", 2, "cleared")]


def test_a_snapshot_with_the_table_in_its_key_is_taken_over():
    m = acknowledged_under(ROWS)
    saved = m.snapshot()
    key, former = m.rules.rules[0].detection_key, m.rules.rules[0].former_key
    saved["watches"] = [[rule, part, former if of == key else of, state] for rule, part, of, state in saved["watches"]]
    again = AssetMonitor.restore(m.rules, saved)
    assert former != key
    assert again.watching("r")[0].alarm.state is State.ACKNOWLEDGED


def test_mistakes_in_a_csv_file_are_told_with_file_and_line():
    assert any(
        "rules/faults.csv:3" in p and "urgent" in p for p in loaded("code,text,priority\n1,a,high\n2,b,urgent\n")
    )
    assert any("must name the columns" in p for p in loaded("number,words\n1,a\n"))
    assert any("`text` is missing" in p for p in loaded("code,text\n1,\n"))
    assert any("more cells" in p for p in loaded("code,text\n1,Pump, tank 3\n"))
    assert loaded("")


def test_a_fault_that_goes_says_so_by_the_last_word():
    m = watching(BITS, more=", escalate: [{after: 10s, priority: critical}]")
    m.handle(seen(0, faults=8))
    (cleared,) = m.handle(seen(1, faults=0))
    assert (cleared.reason["text"], cleared.value) == ("Coolant low (faults 3, gone)", 0)
    told_of = [t for e in (seen(2, faults=8), seen(3, faults=None), tick(12)) for t in m.handle(e)]
    assert (told_of[-1].event, told_of[-1].value, told_of[-1].reason["values"]) == ("raised_priority", 8, {"faults": 8})


def test_what_is_not_in_the_table_is_named_and_its_end_too():
    m = watching(BITS.replace("code: 0", "code: 5"))
    (raised,) = m.handle(seen(0, faults=1 + 2))
    assert (raised.reason["text"], raised.value) == ("faults: 0, 1 is not in the table", 3)
    (cleared,) = m.handle(seen(1, faults=0))
    assert (cleared.reason["text"], cleared.value) == ("faults: all is listed", 0)


@pytest.mark.parametrize(("word", "bits"), [(-1.0, 16), (-32768.0, 1), (-32769.0, 31)])
def test_a_negative_word_is_as_wide_as_it_has_to_be(word: float, bits: int):
    (raised,) = watching(BITS.replace("code: 0", "code: 51").replace("code: 3", "code: 52")).handle(
        seen(0, faults=word)
    )
    named = raised.reason["text"].removeprefix("faults: ").removesuffix(" is not in the table")
    assert len(named.split(", ")) == bits


def test_what_is_said_of_an_unlisted_code_while_the_signal_is_bad_goes_by_the_last_word():
    m = watching(CODES, more=", escalate: [{after: 10s, priority: high}]")
    told_of = [t for e in (seen(0, fault=99), seen(1, fault=None), tick(10)) for t in m.handle(e)]
    assert (told_of[-1].event, told_of[-1].value, told_of[-1].reason["values"]) == (
        "raised_priority",
        99,
        {"fault": 99},
    )


def test_a_code_is_text_or_a_whole_number_and_nothing_else():
    m = watching(CODES)
    assert parts(m, seen(0, fault=" E4 "), seen(1, fault=True), seen(2, fault=17.5)) == [("E4", "raised")]
    assert parts(m, seen(3, fault="17")) == [("17", "raised"), ("E4", "cleared")]


@pytest.mark.parametrize(
    ("word", "known"), [(2.0**63, True), (2.0**64, False), (-(2.0**63), True), (-(2.0**64), False)]
)
def test_a_word_has_sixty_four_bits_at_most(word: float, known: bool):
    told_of = watching(BITS, more=", on_bad_quality: alarm").handle(seen(0, faults=word))
    assert {t.reason.get("level") == "bad_quality" for t in told_of} == {not known}
    assert {t.part for t in told_of} == ({"unlisted"} if known else {"0", "3", "unlisted"})


def test_a_bit_is_a_number_that_a_float_keeps():
    table = "{{type: alarm_table, signal: f, holds: bits, table: [{{code: {}, text: x}}]}}"
    assert parts(watching(table.format(52)), seen(0, f=2.0**52)) == [("52", "raised")]
    assert "from 0 to 52" in refused(table.format(53))
