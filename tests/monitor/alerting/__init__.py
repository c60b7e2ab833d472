"""Tests of who is told, in which words, and how it gets there."""
