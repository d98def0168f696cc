"""The networks of the course, one module a family."""
