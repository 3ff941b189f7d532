"""The reference checkpoint `ocr-vsi-tiny`: its training, the benchmark it is measured on, and the report."""
