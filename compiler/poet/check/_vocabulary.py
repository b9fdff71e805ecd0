"""The words of the dialect: the syntax it has, the names it knows, the attributes it closes."""

import libcst as cst

__all__ = ["BOUNDED_CALLS", "BOUNDED_METHODS", "BUILT_IN", "CHANGES", "CLOSED", "SYNTAX"]

# fmt: off
SYNTAX = (
    cst.Module, cst.SimpleStatementLine, cst.SimpleStatementSuite, cst.IndentedBlock, cst.Import,
    cst.ImportFrom, cst.ImportAlias, cst.ImportStar, cst.AsName, cst.FunctionDef, cst.Parameters,
    cst.Param, cst.ParamStar, cst.Annotation, cst.Decorator, cst.Expr, cst.Assign, cst.AssignTarget,
    cst.AssignEqual, cst.AugAssign, cst.BaseAugOp, cst.Return, cst.Pass, cst.If, cst.Else, cst.For,
    cst.Break, cst.Continue, cst.Try, cst.ExceptHandler, cst.Finally, cst.Raise, cst.From, cst.Name,
    cst.Attribute, cst.Dot, cst.Call, cst.Arg, cst.Subscript, cst.SubscriptElement, cst.Index, cst.Slice,
    cst.Colon, cst.Integer, cst.Float, cst.SimpleString, cst.ConcatenatedString, cst.FormattedString,
    cst.FormattedStringText, cst.FormattedStringExpression, cst.Tuple, cst.List, cst.Set, cst.Dict,
    cst.Element, cst.DictElement, cst.StarredElement, cst.StarredDictElement, cst.ListComp, cst.SetComp,
    cst.DictComp, cst.GeneratorExp, cst.CompFor, cst.CompIf, cst.IfExp, cst.BooleanOperation,
    cst.BinaryOperation, cst.UnaryOperation, cst.Comparison, cst.ComparisonTarget, cst.BaseBooleanOp,
    cst.BaseBinaryOp, cst.BaseCompOp, cst.BaseUnaryOp, cst.LeftParen, cst.RightParen,
    cst.LeftSquareBracket, cst.RightSquareBracket, cst.LeftCurlyBrace, cst.RightCurlyBrace, cst.Comma,
    cst.Semicolon,
)
BUILT_IN = frozenset({
    "ArithmeticError", "AttributeError", "Exception", "False", "IndexError", "KeyError", "LookupError",
    "MemoryError", "None", "OverflowError", "TimeoutError", "True", "TypeError", "ValueError",
    "ZeroDivisionError", "abs", "all", "any", "bool", "dict", "divmod", "enumerate", "float", "frozenset",
    "int", "isinstance", "len", "list", "max", "min", "pow", "repr", "reversed", "round", "set", "sorted",
    "str", "sum", "tuple", "zip",
})
# Names inside allowed packages that lead to files, the system, other code, or state that outlives a call.
CLOSED = frozenset({
    "DataSource", "ag_frame", "apply_along_axis", "builtins", "conftest", "cr_frame", "ctypes", "ctypeslib",
    "datasets", "distutils", "dump", "dumps", "f2py", "f_back", "f_builtins", "f_globals", "f_locals",
    "format", "format_map", "fromfile", "frompyfunc", "fromregex", "fromstring", "genfromtxt", "gi_code",
    "gi_frame", "importlib", "inspect", "io", "iolib", "lib", "load", "loads", "loadtxt", "memmap", "mro",
    "multiprocessing", "open_memmap", "os", "pathlib", "pickle", "platform", "random", "save", "savetxt",
    "savez", "savez_compressed", "set_printoptions", "seterr", "seterrcall", "setflags", "shutil", "socket",
    "subprocess", "sys", "tb_frame", "tb_next", "tempfile", "testing", "threading", "tofile", "vectorize",
    "webbrowser", "with_traceback",
})
# Methods that change what they are called on.
CHANGES = frozenset({
    "add", "append", "clear", "discard", "extend", "fill", "insert", "itemset", "partition", "pop",
    "popitem", "put", "remove", "resize", "reverse", "setdefault", "setfield", "sort", "update",
})
# What is as long as what it is made from.
BOUNDED_CALLS = frozenset({
    "enumerate", "frozenset", "list", "reversed", "set", "sorted", "tuple", "zip",
})
BOUNDED_METHODS = frozenset({
    "items", "keys", "values",
})
# fmt: on
