"""What is written of a text in code, for tests that look for texts that no translator sees."""

import ast


def text_of(node: ast.AST) -> str:
    """Return what is written of a text, with X for each value; empty where it is not a text."""
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(text_of(part) or "X" for part in parts)
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            return f"{text_of(left)}{text_of(right)}"
        case ast.IfExp(body=body, orelse=orelse):
            return text_of(body) or text_of(orelse)
        case _:
            return ""
