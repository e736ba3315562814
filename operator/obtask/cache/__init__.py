"""All that the process remembers of the cluster: tasks, locks, finished tasks. Told by watches and by the answers to our own writes."""
