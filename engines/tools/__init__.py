"""The work of the commands without a screen: doctor, parity, setup, source, hyperparameters."""
