"""What executes a case, one file each."""
