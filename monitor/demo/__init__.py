"""The demonstration: a simulated plant with faults, an embedded broker and a real monitor, all in one command."""

from monitor.demo.run import run_demo

__all__ = ["run_demo"]
