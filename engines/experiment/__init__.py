"""Everything that makes the engines one experiment. numpy and the standard library only."""
