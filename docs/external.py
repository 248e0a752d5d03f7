#!/usr/bin/env python3
"""A network behind cislens, in plain NumPy: the protocol of docs/external.md, and a toy to replace with your own.

With PyTorch, `predict` is `model(...)` under `torch.no_grad()`; `gradient` is `(output * weight).sum().backward()` after
`requires_grad_()` on the inputs. With ONNX Runtime, `predict` is `session.run(...)` and there is no gradient.
"""

import io
import struct
import sys

import numpy as np


def predict(sequence, marks):
    """sequence [n, length, 4], marks [n, positions, k] -> output [n, heads, positions] (here [n, 1])."""
    accessibility = np.log1p(marks.mean(axis=1)).sum(axis=1)
    gc = sequence[:, :, 1:3].mean(axis=(1, 2))  # C and G of A,C,G,T
    return (accessibility + gc)[:, None]


def gradient(sequence, marks, weight):
    """Gradients of sum(output * weight), in the shapes of the inputs."""
    of_marks = np.broadcast_to(1 / (marks.shape[1] * (1 + marks.mean(axis=1, keepdims=True))), marks.shape)
    of_sequence = np.zeros_like(sequence)
    of_sequence[:, :, 1:3] = 1 / (2 * sequence.shape[1])
    return {"gradient_sequence": of_sequence * weight.sum(), "gradient_marks": of_marks * weight.sum()}


def answer(request):
    sequence, marks = request["sequence"], request["marks"]
    arrays = {"output": predict(sequence, marks)}
    if str(request["request"][0]) == "gradient":
        arrays |= gradient(sequence, marks, request["weight"])
    return {name: np.ascontiguousarray(array, dtype="<f4") for name, array in arrays.items()}


def main():
    # Whatever a library prints must not get between the answers.
    answers, sys.stdout = sys.stdout.buffer, sys.stderr
    while header := sys.stdin.buffer.read(8):
        (length,) = struct.unpack("<Q", header)
        request = np.load(io.BytesIO(sys.stdin.buffer.read(length)), allow_pickle=False)
        try:
            arrays = answer(request)
        except Exception as error:  # said on the row; the next request may do
            arrays = {"error": np.array([f"{type(error).__name__}: {error}"])}
        message = io.BytesIO()
        np.savez(message, **arrays)
        answers.write(struct.pack("<Q", message.tell()) + message.getvalue())
        answers.flush()


if __name__ == "__main__":
    main()
