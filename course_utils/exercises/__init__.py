"""Exercises that answer back: how they are graded, and one module a chapter with what is asked."""
