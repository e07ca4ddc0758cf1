"""The options that every decaying schedule has: where the learning rate starts and where it ends."""

from __future__ import annotations

from pydantic import model_validator

import glueft


class DecayOptions(glueft.Options):
    """A learning rate that falls from one value to another."""

    initial_learning_rate: float = glueft.Field(
        gt=0, le=100, examples=[5e-5], description="The highest learning rate, from which it falls."
    )
    end_learning_rate: float = glueft.Field(
        0.0, ge=0, le=100, description="The learning rate that is reached at the end."
    )

    @model_validator(mode="after")
    def falls(self) -> DecayOptions:
        """A rate that rises is nearly always a slip of the exponent."""
        if self.end_learning_rate > self.initial_learning_rate:
            raise ValueError(
                f"end_learning_rate ({self.end_learning_rate}) is above "
                f"initial_learning_rate ({self.initial_learning_rate}); the rate must fall"
            )
        return self
