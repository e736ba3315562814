"""The obshell action: an operation of an obshell agent, and the task (DAG) that it starts there. API.md section 2.1."""
