import ts from "typescript";

const SHOWN = new Set([
  "label",
  "title",
  "placeholder",
  "aria-label",
  "description",
  "alt",
  "about",
  "caption",
  "submit",
  "done",
  "note",
  "hint",
  "text",
  "unit",
  "header",
  "message",
]);

const hasWords = (text: string): boolean => /\p{L}{2,}/u.test(text);

/** Texts that people read and that stand in the code, not in the language files. */
export function literalTexts(name: string, text: string): string[] {
  const source = ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true, ts.ScriptKind.TSX);
  const found: string[] = [];
  const report = (node: ts.Node) => {
    const { line } = source.getLineAndCharacterOfPosition(node.getStart());
    found.push(`${name}:${line + 1} ${node.getText().trim().slice(0, 60)}`);
  };
  const literals = (node: ts.Node | undefined): void => {
    if (!node) return;
    if (ts.isJsxExpression(node) || ts.isParenthesizedExpression(node)) literals(node.expression);
    else if (ts.isConditionalExpression(node)) {
      literals(node.whenTrue);
      literals(node.whenFalse);
    } else if (ts.isBinaryExpression(node) && /^(&&|\|\||\?\?)$/.test(node.operatorToken.getText())) {
      literals(node.left);
      literals(node.right);
    } else if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) {
      if (hasWords(node.text)) report(node);
    } else if (ts.isTemplateExpression(node)) {
      if ([node.head, ...node.templateSpans.map((span) => span.literal)].some((part) => hasWords(part.text)))
        report(node);
    }
  };
  const visit = (node: ts.Node): void => {
    // What stands within <code>, <kbd> or <pre> is code in every language.
    const isCode = ts.isJsxElement(node) && /^(code|kbd|Kbd|Code|pre)$/.test(node.openingElement.tagName.getText());
    if (ts.isJsxText(node) && hasWords(node.text)) report(node);
    else if (ts.isJsxAttribute(node) && SHOWN.has(node.name.getText())) literals(node.initializer);
    else if (ts.isJsxExpression(node) && node.parent && (ts.isJsxElement(node.parent) || ts.isJsxFragment(node.parent)))
      literals(node.expression);
    else if (ts.isPropertyAssignment(node) && SHOWN.has(node.name.getText().replaceAll('"', "")))
      literals(node.initializer);
    if (!isCode) ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** Amounts made numbers: `Number(row.charged)`, `parseFloat(total_amount)`, `+balance`. */
export function floatAmounts(name: string, text: string): string[] {
  const source = ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true, ts.ScriptKind.TSX);
  const amounts =
    /(^|[._])(amount|allowance|available|balance|charged|cost|credit(_limit)?|held|margin|money|owed|price|recomputed|remaining|spent|overrun|total|unspent|multiplier)$/i;
  const found: string[] = [];
  const check = (node: ts.Node, operand: ts.Node | undefined) => {
    if (
      !operand ||
      !amounts.test(
        operand
          .getText()
          .replace(/[?!]|\s*\?\?.*$/g, "")
          .replaceAll("?.", "."),
      )
    )
      return;
    const { line } = source.getLineAndCharacterOfPosition(node.getStart());
    found.push(`${name}:${line + 1} ${node.getText().slice(0, 60)}`);
  };
  const visit = (node: ts.Node): void => {
    if (
      ts.isCallExpression(node) &&
      /^(Number(\.parseFloat|\.parseInt)?|parseFloat|parseInt)$/.test(node.expression.getText())
    )
      check(node, node.arguments[0]);
    if (ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.PlusToken) check(node, node.operand);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}
