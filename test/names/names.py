#!/usr/bin/env python3
"""Writes the names that docs/from-numpy.md and docs/from-theano.md answer for: what NumPy and PyTensor, Theano's successor, export.

    pip install numpy pytensor; test/names/names.py        # writes numpy.txt and theano.txt beside it

Left out are names of Python's side: dtypes, text and files, dates, strings, the machinery of ufuncs, and PyTensor's modules and
makers of variables by type (dmatrix, fvector, …), of which the page shows the pattern.
"""
import re
from pathlib import Path

import numpy as np
import pytensor.tensor as pt

HERE = Path(__file__).resolve().parent
PYTHON = re.compile(
    r"(u?int(c|p|er|\d+)?_?|float(ing|\d+)?|complex(floating|\d+)|bool_?|c?double|clongdouble|csingle|half|single|long(long|double)?|u(byte|short|long|longlong|int)|"
    r"byte|short|void|object_|str_|bytes_|character|flexible|generic|inexact|integer|number|(un)?signedinteger|datetime.*|timedelta64|busday.*|is_busday|True_|False_|"
    r"ScalarType|typecodes|typename|typing|sctypeDict|dtype|dtypes|isdtype|issubdtype|mintypecode|min_scalar_type|common_type|can_cast|result_type|promote_types|"
    r"array2string|array_repr|array_str|base_repr|binary_repr|format_float_.*|.*printoptions|set_.*|get.*|set(buf|err).*|err.*|seterr.*|show_.*|info|"
    r"from(buffer|file|function|iter|pyfunc|regex|string|_dlpack)|frompyfunc|genfromtxt|loadtxt|save.*|load|memmap|fix|"
    r"c_|r_|s_|index_exp|nd.*|nditer|nested_iters|flatiter|broadcast|iterable|matrix|asmatrix|bmat|mat|rec|recarray|record|ma|core|char|strings|ctypeslib|emath|"
    r"exceptions|f2py|lib|test|testing|random|linalg|fft|polynomial|poly.*|roots|vectorize|apply_.*|piecewise|require|ufunc|little_endian|finfo|iinfo|"
    r"may_share_memory|shares_memory|isfortran|as(any|contiguous|fortran)array|asarray_chkfinite|asarray|array|isscalar|isnat|iscomplexobj|isrealobj|"
    r"real_if_close|histogramdd|mgrid|ogrid|e|pi|inf|nan|euler_gamma|newaxis|packbits|unpackbits|lexsort|sort_complex|ix_|trim_zeros|bartlett|blackman|hamming|hanning|kaiser|"
    r"mask_indices|.*_indices_from|place|putmask|put|copyto|delete|insert|append|resize|unique_.*|block)$")
MAKERS = re.compile(r"([bcdfilwz]|)(scalar|vector|matrix|matrices|row|col|tensor\d)s?$|[bcdfilwz]?(scalars|vectors|rows|cols|matrices)$|.*_types$")
MODULES = re.compile(r"[A-Z].*|pytensor|math|basic|blas.*|blockwise|elemwise.*|exceptions|extra_ops|functional|linalg|optimize|random|rewriting|scalar|sharedvar|signal|"
                     r"singledispatch|special|subtensor|symbolic|type|type_other|utils|var|variable|slicetype|none_type_t|values_eq.*|get_.*|make_slice|is_flat|mgrid|ogrid|"
                     r"NoneConst.*|as_tensor.*|interpolate|fft|sort|shape|e|pi|inf|nan|euler_gamma|newaxis|ptp|stacklists|.*_padaxis|.*_padleft|.*_padright|"
                     r"fill_diagonal_offset|matrix|xor|and_|or_|pack|unpack|join_dims|split_dims|inverse_permutation|permute_row_elements|specify_broadcastable|transfer|"
                     r"tensor_from_scalar|scalar_from_tensor|tensor_copy|chi2sf|iround|slice_at_axis|vectorize|concat_with_broadcast|extract_diag|mode|std|var")
KEPT = {"pt": {"sort", "shape", "std", "var", "ptp", "and_", "or_", "xor"}, "np": set()}


def write(name, names):
    names = sorted(set(names))
    (HERE / f"{name}.txt").write_text("\n".join(names) + "\n")
    print(f"{name}.txt: {len(names)} names")


def public(module, prefix=""):
    return [prefix + n for n in getattr(module, "__all__", dir(module)) if not n.startswith("_") and callable(getattr(module, n)) and n != "LinAlgError"]


if __name__ == "__main__":
    write("numpy", [n for n in public(np) if not PYTHON.match(n)] + public(np.linalg, "linalg.") + public(np.fft, "fft."))
    write("theano", [n for n in dir(pt) if not n.startswith("_") and callable(getattr(pt, n))
                     and (n in KEPT["pt"] or not MAKERS.match(n) and not MODULES.fullmatch(n))])
