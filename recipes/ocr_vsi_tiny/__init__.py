"""How the released checkpoint `ocr-vsi-tiny` was trained, and the report on it; see README.md."""
