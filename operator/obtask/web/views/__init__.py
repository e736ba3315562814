"""What a visitor may see of all tasks: rows, read with the visitor's own credentials, and what follows from them."""
