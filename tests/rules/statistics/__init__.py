"""Tests of rules.statistics."""
