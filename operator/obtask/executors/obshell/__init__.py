"""The obshell action: an operation of a real obshell agent, and the task (DAG) that it starts there. API.md section 2.1."""
