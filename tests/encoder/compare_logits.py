"""Run by test_exactness.py under another Keras backend: compares the logits of every case, and trains one step."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import keras
import numpy
from reference_checkpoints import CASES, REFERENCE, labels_of, reference

from glueft.checkpoint import find_checkpoint, load_classifier

print(keras.backend.backend())
for case in CASES:
    folder = REFERENCE / case
    labels = labels_of(folder)
    model = load_classifier(find_checkpoint(str(folder)), labels=labels, regression=not labels, seed=0).model
    inputs, _, logits = reference(case)
    numpy.testing.assert_allclose(keras.ops.convert_to_numpy(model(inputs)), logits, atol=1e-5, rtol=0)
    print(case)
model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
losses = model.fit(inputs, numpy.arange(len(logits)) % len(labels), epochs=5, verbose=0).history["loss"]
assert losses[-1] < losses[0], losses
