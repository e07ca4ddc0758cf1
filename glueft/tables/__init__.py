"""CSV, TSV, JSON Lines and Parquet files."""
