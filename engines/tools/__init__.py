"""Commands that need no screen: doctor, parity, setup, source, hyperparameters."""
