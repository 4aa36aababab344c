"""What the machine and the workers' processes take: CPU, memory, GPU. Cheap to import; nothing here draws or prints."""
