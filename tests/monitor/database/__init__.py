"""Tests of the alarm database."""
