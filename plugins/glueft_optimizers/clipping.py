"""Gradient clipping, which every Keras optimizer offers in three ways of which one at most may be used."""

from __future__ import annotations

from pydantic import model_validator

import glueft


class ClippingOptions(glueft.Options):
    """The options that the optimizers share."""

    clipnorm: float | None = glueft.Field(
        None, gt=0, description="Scale each variable's gradient down to this norm if it is longer."
    )
    clipvalue: float | None = glueft.Field(
        None, gt=0, description="Cut every element of the gradients to at most this, in size."
    )
    global_clipnorm: float | None = glueft.Field(
        None, gt=0, description="Scale all gradients together down to this norm if it is longer."
    )

    @model_validator(mode="after")
    def one_way_of_clipping(self) -> ClippingOptions:
        """Keras refuses two ways at once; saying so here costs no download."""
        ways = ("clipnorm", "clipvalue", "global_clipnorm")
        given = [way for way in ways if getattr(self, way) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} cannot be used together; keep one of them")
        return self

    def clipping(self) -> dict[str, float | None]:
        """The clipping arguments of a Keras optimizer."""
        return {"clipnorm": self.clipnorm, "clipvalue": self.clipvalue, "global_clipnorm": self.global_clipnorm}
