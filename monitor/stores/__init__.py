"""Where readings are kept: the contract of a store, the embedded one, its writer loop and export."""
