"""The vocabulary of both sides of the pipe: events, commands, their JSON and their order. Standard library only."""
