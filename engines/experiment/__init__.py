"""What makes all engines one experiment. numpy and the standard library only."""
