"""Files and pixels: which files are photos, and what is in one."""
