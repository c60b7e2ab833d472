"""Quadrature, linear equations, chi-square and survival sums against what is known in closed form."""

from __future__ import annotations

import math
from itertools import count, repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.statistics.numerics import (
    chi_square_cdf,
    chi_square_quantile,
    gauss_legendre,
    mean_survival,
    normal_cdf,
    quadrature,
    solve,
)


def test_quadrature_of_n_nodes_is_exact_for_polynomials_of_degree_2n_minus_1() -> None:
    assert sum(weight * x**9 for x, weight in quadrature(0, 2, count=5)) == pytest.approx(2**10 / 10, rel=1e-13)
    assert sum(weight for _, weight in gauss_legendre(200)) == pytest.approx(2, rel=1e-13)


def test_equations_are_solved_with_pivoting_and_left_as_they_were() -> None:
    matrix = [[0.0, 2.0], [3.0, 1.0]]
    assert solve(matrix, [4.0, 5.0]) == pytest.approx([1.0, 2.0])
    assert matrix == [[0.0, 2.0], [3.0, 1.0]]


@pytest.mark.parametrize(
    ("probability", "freedom", "printed"),
    [(0.05, 1, 0.00393), (0.95, 1, 3.841), (0.025, 19, 8.907), (0.975, 19, 32.852), (0.05, 99, 77.046)],
)
def test_chi_square_points_are_those_of_the_printed_table(probability: float, freedom: int, printed: float) -> None:
    assert chi_square_quantile(probability, freedom) == pytest.approx(printed, rel=1e-3)


@given(st.floats(0.001, 0.999), st.floats(0.5, 5000))
def test_the_quantile_is_the_inverse_of_the_distribution(probability: float, freedom: float) -> None:
    assert chi_square_cdf(chi_square_quantile(probability, freedom), freedom) == pytest.approx(probability, abs=1e-10)


def test_chi_square_of_two_degrees_is_exponential() -> None:
    assert chi_square_cdf(3.0, 2) == pytest.approx(1 - math.exp(-1.5), rel=1e-14)
    assert chi_square_cdf(-1.0, 2) == 0


def test_the_normal_tail_keeps_its_digits() -> None:
    assert normal_cdf(-10) == pytest.approx(7.61985302416e-24, rel=1e-9)


def test_a_constant_hazard_gives_the_mean_of_a_geometric_distribution() -> None:
    assert mean_survival((0.99**n, 0.01 * 0.99**n) for n in count()) == pytest.approx(100)
    assert mean_survival(repeat((1.0, 0.0))) == math.inf
    assert mean_survival([(1.0, 1.0), (0.0, 0.0)]) == 1
