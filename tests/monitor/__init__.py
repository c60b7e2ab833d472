"""Tests of the shell, in the folders of its packages."""
