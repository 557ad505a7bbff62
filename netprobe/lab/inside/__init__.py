"""Programs that run inside the namespaces. Each file is started by its path and needs nothing else of netprobe."""
