"""The constants of control charts against the printed tables."""

from __future__ import annotations

import math

import pytest

from rules.statistics.constants import LARGEST, c4, constants, d2, d3, range_cdf

PRINTED = """
2 1.880 2.659 0.7979 0.000 3.267 1.128 0.8525 0.000 3.267
3 1.023 1.954 0.8862 0.000 2.568 1.693 0.8884 0.000 2.575
4 0.729 1.628 0.9213 0.000 2.266 2.059 0.8798 0.000 2.282
5 0.577 1.427 0.9400 0.000 2.089 2.326 0.8641 0.000 2.114
6 0.483 1.287 0.9515 0.030 1.970 2.534 0.8480 0.000 2.004
7 0.419 1.182 0.9594 0.118 1.882 2.704 0.8332 0.076 1.924
8 0.373 1.099 0.9650 0.185 1.815 2.847 0.8198 0.136 1.864
9 0.337 1.032 0.9693 0.239 1.761 2.970 0.8078 0.184 1.816
10 0.308 0.975 0.9727 0.284 1.716 3.078 0.7971 0.223 1.777
15 0.223 0.789 0.9823 0.428 1.572 3.472 0.7562 0.347 1.653
20 0.180 0.680 0.9869 0.510 1.490 3.735 0.7287 0.415 1.585
25 0.153 0.606 0.9896 0.565 1.435 3.931 0.7084 0.459 1.541
"""
NAMES = ("A2", "A3", "c4", "B3", "B4", "d2", "d3", "D3", "D4")


@pytest.mark.parametrize("line", PRINTED.strip().splitlines(), ids=lambda line: "n=" + line.split()[0])
def test_constants_round_to_the_printed_ones(line: str) -> None:
    n, *printed = line.split()
    computed = constants(int(n))
    for name, text in zip(NAMES, printed, strict=True):
        assert getattr(computed, name) == pytest.approx(float(text), abs=0.5 * 10 ** -len(text.split(".")[1])), name


def test_small_subgroups_are_exact() -> None:
    assert c4(2) == pytest.approx(math.sqrt(2 / math.pi), rel=1e-13)
    assert d2(2) == pytest.approx(2 / math.sqrt(math.pi), rel=1e-12)
    assert d2(3) == pytest.approx(3 / math.sqrt(math.pi), rel=1e-12)
    assert d3(2) == pytest.approx(math.sqrt(2 - 4 / math.pi), rel=1e-12)
    assert pytest.approx(2.660, abs=2e-3) == constants(2).E2


def test_large_subgroups_are_as_exact() -> None:
    assert d2(100) == pytest.approx(5.01519, abs=1e-5)
    assert c4(10_000_000) == pytest.approx(1, abs=1e-7)


def test_the_distribution_of_the_range_of_two_is_that_of_a_difference() -> None:
    assert range_cdf(2, 1.0) == pytest.approx(math.erf(0.5), rel=1e-12)


@pytest.mark.parametrize("n", [-1, 0, 1, LARGEST + 1])
def test_a_subgroup_of_impossible_size_is_refused(n: int) -> None:
    with pytest.raises(ValueError, match="a subgroup holds 2 to"):
        constants(n)
