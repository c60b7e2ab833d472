"""Tests of the scenarios\x27 notation, reading, playing and comparing."""
