"""One module per `ocr-hf` command."""
