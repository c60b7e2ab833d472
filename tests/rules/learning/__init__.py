"""Tests of rules.learning."""
