"""`python -m monitor.cli`: the command where its script is not on the PATH."""

from monitor.cli import main

main()
