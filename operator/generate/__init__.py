"""Owns what is made from the code: every file that repeats a closed list, a right, a setting or a text of the operator. Not shipped."""
