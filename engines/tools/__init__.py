"""What the commands without a screen do: doctor, parity, setup, source, hyperparameters."""
