"""Messages between worker and app: events, commands, their JSON and their order. Standard library only."""
