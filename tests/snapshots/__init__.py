"""Snapshots of released versions, and the proof that this one goes on from them."""
