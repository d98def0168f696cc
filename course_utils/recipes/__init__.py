"""Trainings whose results are shipped, one module a chapter, and the training functions that lessons show."""
