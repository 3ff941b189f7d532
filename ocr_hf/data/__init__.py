"""The ocr-vsi data set: columns, builder, video files, loading."""
