"""The parts of the group stage: who inhibits whom, overlays, gateways, first-out, nuisance alarms, floods."""
