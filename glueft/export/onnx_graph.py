"""A small writer of ONNX graphs: nodes in order, constants by name.

The operations are those of operator set 17, which every runtime since 2022 knows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx

from glueft.export.format import INPUT_NAMES

OPSET = 17
# The format of the file that came with this operator set; without it, onnx writes its newest, which is read by few.
IR_VERSION = 8


class Graph:
    """A graph under construction. Tensors are known by their names.

    Attributes:
        inputs: names of the classifier's inputs, int64 (batch, length): ids, attention mask and token types.
        scope: what the names of the next nodes begin with.
    """

    inputs = INPUT_NAMES

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self.scope = ""

    def weight(self, name: str, values: Any) -> str:
        """Add a weight, once; return its name."""
        if name not in self.constants:
            self.constants[name] = onnx.numpy_helper.from_array(np.asarray(values, np.float32), name)
        return name

    def number(self, value: float) -> str:
        """Return the name of a float32 number."""
        return self.weight(f"number {value!r}", value)

    def whole(self, *values: int, scalar: bool = False) -> str:
        """Return the name of whole numbers, int64 (values,), or () with `scalar`."""
        name = f"whole {values[0]}" if scalar else f"whole {list(values)}"
        if name not in self.constants:
            array = np.array(values[0] if scalar else values, np.int64)
            self.constants[name] = onnx.numpy_helper.from_array(array, name)
        return name

    def attention_mask_bias(self) -> str:
        """Return what is added to the attention scores, (batch, 1, 1, length)."""
        from glueft.encoder.layers import MASKED

        self.scope = "mask"
        padding = self("Not", self("Cast", "attention_mask", to=onnx.TensorProto.BOOL))
        scores = self("Mul", self("Cast", padding, to=onnx.TensorProto.FLOAT), self.number(MASKED))
        return self("Unsqueeze", scores, self.whole(1, 2))

    def first_token(self, states: str) -> str:
        """Return the first token of each row: (batch, length, hidden) -> (batch, 1, hidden)."""
        return self("Slice", states, self.whole(0), self.whole(1), self.whole(1))

    def lookup(self, layer: Any, ids: str) -> str:
        """Look ids up in an embedding layer of Keras."""
        return self("Gather", self.weight(layer.embeddings.path, layer.embeddings), ids)

    def dense(self, layer: Any, states: str, output: str | None = None) -> str:
        """Apply a dense layer of Keras, but for its activation."""
        kernel = self.weight(layer.kernel.path, layer.kernel)
        if layer.bias is None:
            return self("MatMul", states, kernel, output=output)
        product = self("MatMul", states, kernel)
        return self("Add", product, self.weight(layer.bias.path, layer.bias), output=output)

    def norm(self, layer: Any, states: str) -> str:
        """Apply a layer norm of Keras."""
        weights = [self.weight(each.path, each) for each in (layer.gamma, layer.beta) if each is not None]
        return self("LayerNormalization", states, *weights, axis=-1, epsilon=layer.epsilon)

    def activation(self, name: str, states: str) -> str:
        """Apply an activation of `glueft.encoder.activations`, by its name there."""
        return ACTIVATIONS[name](self, states)

    def __call__(self, operation: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Add a node; return the name of its output."""
        output = output or f"{self.scope}/{operation}_{len(self.nodes)}"
        self.nodes.append(onnx.helper.make_node(operation, inputs, [output], name=output, **attributes))
        return output

    def model(self, name: str, inputs: list[str], output: str, outputs: int, *, producer: tuple[str, str]) -> Any:
        """Return the finished ModelProto.

        Args:
            name: of the graph.
            inputs: names; each is int64 (batch, length).
            output: the name of a float32 tensor (batch, outputs).
            outputs: its columns.
            producer: who writes it, and the version.
        """
        value = onnx.helper.make_tensor_value_info
        graph = onnx.helper.make_graph(
            self.nodes,
            name,
            [value(given, onnx.TensorProto.INT64, ["batch", "length"]) for given in inputs],
            [value(output, onnx.TensorProto.FLOAT, ["batch", outputs])],
            initializer=list(self.constants.values()),
        )
        return onnx.helper.make_model(
            graph,
            opset_imports=[onnx.helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name=producer[0],
            producer_version=producer[1],
        )


def gelu(graph: Graph, x: str) -> str:
    """x * Phi(x), in the form that runtimes recognise and make one operation of."""
    erf = graph("Erf", graph("Div", x, graph.number(2**0.5)))
    return graph("Mul", graph("Mul", x, graph("Add", erf, graph.number(1.0))), graph.number(0.5))


def gelu_tanh(graph: Graph, x: str) -> str:
    """0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))."""
    cube = graph("Mul", graph("Mul", x, graph("Mul", x, x)), graph.number(0.044715))
    tanh = graph("Tanh", graph("Mul", graph("Add", x, cube), graph.number((2 / np.pi) ** 0.5)))
    return graph("Mul", graph("Mul", x, graph("Add", tanh, graph.number(1.0))), graph.number(0.5))


def squared_relu(graph: Graph, x: str) -> str:
    positive = graph("Relu", x)
    return graph("Mul", positive, positive)


def silu(graph: Graph, x: str) -> str:
    return graph("Mul", x, graph("Sigmoid", x))


# By the names of glueft.encoder.activations.
ACTIVATIONS: dict[str, Callable[[Graph, str], str]] = {
    "gelu": gelu,
    "gelu_python": gelu,
    "gelu_new": gelu_tanh,
    "gelu_pytorch_tanh": gelu_tanh,
    "gelu_python_tanh": gelu_tanh,
    "gelu_fast": gelu_tanh,
    "gelu_accurate": gelu_tanh,
    "quick_gelu": lambda graph, x: graph("Mul", x, graph("Sigmoid", graph("Mul", x, graph.number(1.702)))),
    "relu": lambda graph, x: graph("Relu", x),
    "relu2": squared_relu,
    "relu6": lambda graph, x: graph("Min", graph("Relu", x), graph.number(6.0)),
    "silu": silu,
    "swish": silu,
    "tanh": lambda graph, x: graph("Tanh", x),
    "sigmoid": lambda graph, x: graph("Sigmoid", x),
    "mish": lambda graph, x: graph("Mul", x, graph("Tanh", graph("Softplus", x))),
    "linear": lambda graph, x: x,
}
