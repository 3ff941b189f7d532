"""What questions give away without any video: constants, a statistic of the words, and thinning by it."""
