"""The upload to a benchmark: which run gives which file, the files' content, and the zip file around them."""
