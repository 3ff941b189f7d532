"""The noise modes of the package, one file each: a file put here is found."""
