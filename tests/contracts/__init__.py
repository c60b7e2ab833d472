"""Suites that every implementation of a contract has to pass."""
