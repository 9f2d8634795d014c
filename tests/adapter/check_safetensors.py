"""Second reader and writer of safetensors files, for safetensors_test.cpp.

Checks DIRECTORY/ours.safetensors (24 values i / 8 - 1, as F16 [4, 6] and F32 [24]) with the
safetensors package and writes the same tensors to DIRECTORY/theirs.safetensors.
"""
import sys

import numpy
from safetensors.numpy import load_file, save_file

directory = sys.argv[1]
expected = numpy.arange(24, dtype=numpy.float32) / 8 - 1
tensors = load_file(directory + "/ours.safetensors")
assert set(tensors) == {"half", "single"}, sorted(tensors)
assert tensors["half"].dtype == numpy.float16 and tensors["half"].shape == (4, 6)
assert tensors["single"].dtype == numpy.float32 and tensors["single"].shape == (24,)
assert (tensors["half"].astype(numpy.float32).ravel() == expected).all()
assert (tensors["single"] == expected).all()
save_file(tensors, directory + "/theirs.safetensors")
