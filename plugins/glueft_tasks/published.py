"""Where the scores that the tasks show beside a result were published. All are of validation ("dev") splits."""

from __future__ import annotations

# bert-base-cased, 3 epochs (5 for MRPC and WNLI) at 2e-5 in batches of 32, one seed.
RUN_GLUE = "huggingface/transformers, examples/pytorch/text-classification/README.md"

# Of tasks with one metric only: the table has one number a task, and does not say of which metric.
DISTILLATION = "huggingface/transformers, examples/research_projects/distillation/README.md"

# bert-base-uncased, 3 epochs at 5e-5 in batches of 8, one seed.
COURSE = "the Hugging Face course, chapter 3, Fine-tuning a model with the Trainer API"
