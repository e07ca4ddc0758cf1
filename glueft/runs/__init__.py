"""Run folders: their record, predictions and history."""
