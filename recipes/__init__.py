"""The recipes that glueft ships: `glueft run mrpc` finds them here."""
