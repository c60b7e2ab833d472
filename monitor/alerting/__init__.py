"""Who is told of an alarm, in which words, over which channel, and the proof that it happened."""
