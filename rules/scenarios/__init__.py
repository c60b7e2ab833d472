"""Scenarios: what machines do in a few lines, and which transitions have to come of it."""
