"""The pages, one module each; `routes` of each takes what the page needs."""
