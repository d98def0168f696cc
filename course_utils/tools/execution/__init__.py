"""Execute chapters: what shall run, each in a process of its own, watched, and what is known of it."""
