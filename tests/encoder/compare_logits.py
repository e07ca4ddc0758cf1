"""Run by test_exactness.py under another Keras backend: compares the logits of every family, and trains a little."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import keras
import numpy

from glueft.encoder.checkpoint import find_checkpoint, load_classifier
from glueft.encoder.weights import export_weights, tensor_table
from reference_checkpoints import FAMILIES, REFERENCE, labels_of, reference

print(keras.backend.backend())
for case in FAMILIES:
    folder = REFERENCE / case
    labels = labels_of(folder)
    model = load_classifier(find_checkpoint(str(folder)), labels=labels, regression=not labels, seed=0).model
    inputs, _, logits = reference(case)
    numpy.testing.assert_allclose(keras.ops.convert_to_numpy(model(inputs)), logits, atol=1e-5, rtol=0)
    print(case)
model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
labels_of_rows = numpy.arange(len(logits)) % len(labels)
before = model.evaluate(inputs, labels_of_rows, verbose=0)
model.fit(inputs, labels_of_rows, epochs=10, shuffle=False, verbose=0)
assert model.evaluate(inputs, labels_of_rows, verbose=0) < before
assert all(array.dtype == numpy.float32 and array.any() for array in export_weights(tensor_table(model)).values())
