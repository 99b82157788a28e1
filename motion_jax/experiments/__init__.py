"""Several runs: compared in one table, found in a folder, trained as a sweep."""
