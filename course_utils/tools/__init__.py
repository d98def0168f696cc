"""What people run: the `course` command and what stands behind it; never imports torch or a lesson."""
