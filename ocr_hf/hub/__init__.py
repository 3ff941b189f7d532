"""Publishing data sets, models, metrics and Spaces on the Hugging Face Hub, and fetching them back."""
