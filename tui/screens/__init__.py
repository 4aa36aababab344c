"""The screens, one .tcss beside each."""
