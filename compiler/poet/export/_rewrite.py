"""Statements of a module as they stand in an export: other names where two clashed, no imports of ours."""

import re
from collections.abc import Mapping

import libcst as cst

from poet.export._source import Library, Meaning, Source, dotted, is_inlined

__all__ = ["rewritten"]

_IDENTIFIER = re.compile(r"\b[A-Za-z_]\w*")
_DIRECTIVE = re.compile(r"#\s*(?:noqa|type: ignore|fmt:)\b.*?(?:--\s*(.*))?$")


def rewritten(library: Library, source: Source, names: Mapping[Meaning, str]) -> tuple[cst.CSTNode, ...]:
    """Give the top-level statements of a module, each at its place, with the names of the export."""
    rewriter = _Rewriter(library, source, names)
    return tuple(source.wrapper.module.visit(rewriter).body)


class _Rewriter(cst.CSTTransformer):
    def __init__(self, library: Library, source: Source, names: Mapping[Meaning, str]) -> None:
        super().__init__()
        self._library = library
        self._source = source
        self._names = names
        self._nodes: dict[int, str] = {}  # what a name's node becomes
        self._modules: dict[int, Meaning] = {}  # nodes that stand for a module which is inlined
        self._own: dict[str, str] = {}  # what a name of the module becomes, where it changes
        self._annotations = 0
        self._fill()

    def _fill(self) -> None:
        source = self._source
        for name in (*source.definers, *source.imports):
            meaning = self._library.meaning(source.name, name)
            if self._names.get(meaning, name) != name:
                self._own[name] = self._names[meaning]
        for name, node in source.references():
            meaning = self._library.meaning(source.name, name)
            if meaning.is_inlined and not meaning.name:
                self._modules[id(node)] = meaning
            elif name in self._own:
                self._nodes[id(node)] = self._own[name]
        for meaning, node in source.lazy_references():
            final = self._library.meaning(meaning.module, meaning.name)
            self._nodes[id(node)] = self._names.get(final, final.name)
        for name, node in source.bound():
            if name in self._own:
                self._nodes[id(getattr(node, "name", node))] = self._own[name]

    # libcst calls these by their names, with the node as it was first

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.Name:  # noqa: N802
        new = self._nodes.get(id(original_node))
        return updated_node if new is None else updated_node.with_changes(value=new)

    def leave_NameItem(self, original_node: cst.NameItem, updated_node: cst.NameItem) -> cst.NameItem:  # noqa: N802
        new = self._own.get(original_node.name.value)
        return updated_node if new is None else updated_node.with_changes(name=cst.Name(new))

    def leave_Attribute(  # noqa: N802
        self, original_node: cst.Attribute, updated_node: cst.Attribute
    ) -> cst.Attribute | cst.Name:
        module = self._modules.get(id(original_node.value))
        if module is None:
            return updated_node
        meaning = self._library.meaning(module.module, original_node.attr.value)
        return cst.Name(
            self._names.get(meaning, meaning.name), lpar=updated_node.lpar, rpar=updated_node.rpar
        )

    def visit_Annotation(self, node: cst.Annotation) -> None:  # noqa: ARG002, N802
        self._annotations += 1

    def leave_Annotation(  # noqa: N802
        self,
        original_node: cst.Annotation,  # noqa: ARG002
        updated_node: cst.Annotation,
    ) -> cst.Annotation:
        self._annotations -= 1
        return updated_node

    def leave_SimpleString(  # noqa: N802
        self,
        original_node: cst.SimpleString,  # noqa: ARG002
        updated_node: cst.SimpleString,
    ) -> cst.SimpleString:
        if not self._annotations:
            return updated_node
        text = _IDENTIFIER.sub(lambda found: self._own.get(found[0], found[0]), updated_node.value)
        return updated_node.with_changes(value=text)

    def leave_Comment(self, original_node: cst.Comment, updated_node: cst.Comment) -> cst.Comment:  # noqa: ARG002, N802
        found = _DIRECTIVE.match(updated_node.value)
        return (
            updated_node if found is None else updated_node.with_changes(value=f"# {found[1] or ''}".rstrip())
        )

    def leave_TrailingWhitespace(  # noqa: N802
        self, original_node: cst.TrailingWhitespace, updated_node: cst.TrailingWhitespace
    ) -> cst.TrailingWhitespace:
        comment = original_node.comment
        found = _DIRECTIVE.match(comment.value) if comment is not None else None
        is_bare = found is not None and found[1] in (None, "as above")
        return cst.TrailingWhitespace(newline=updated_node.newline) if is_bare else updated_node

    def leave_SimpleStatementLine(  # noqa: N802
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.SimpleStatementLine | cst.RemovalSentinel:
        is_at_top = any(original_node is top for top in self._source.body)
        if is_at_top or not all(map(_is_our_import, original_node.body)):
            return updated_node
        return cst.RemoveFromParent()


def _is_our_import(statement: cst.CSTNode) -> bool:
    return isinstance(statement, cst.ImportFrom) and is_inlined(dotted(statement.module))
