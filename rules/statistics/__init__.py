"""Statistical process control as pure functions: charts, run rules, capability, change points, each with its source."""
