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

/** What shows why it was refused: a form, a button of `kit/Act`, a query or mutation whose error the page shows. */
const SHOWING = new Set(["onSubmit", "onConfirm", "onAct", "mutationFn", "queryFn"]);

/**
 * Changes asked of the API whose refusal nobody would see: `api.POST(...)` in a handler that catches nothing. A function of
 * the file counts as shown where each use of it is, and so does what is handed to one that shows what it catches.
 */
export function unseenRefusals(name: string, text: string): string[] {
  const source = ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true, ts.ScriptKind.TSX);
  const named = new Map<string, ts.Identifier[]>();
  const functions = new Map<string, ts.Node>();
  const calls: ts.CallExpression[] = [];
  const gather = (node: ts.Node): void => {
    if (ts.isIdentifier(node)) named.set(node.text, [...(named.get(node.text) ?? []), node]);
    const declared = declaredAs(node);
    if (declared) functions.set(declared, node);
    if (ts.isCallExpression(node) && /^api\s*\.(POST|PUT|PATCH|DELETE)$/.test(node.expression.getText()))
      calls.push(node);
    ts.forEachChild(node, gather);
  };
  gather(source);
  const shows = (callee: string): boolean =>
    callee === "act" || /catch|asProblem/.test(functions.get(callee)?.getText() ?? "");
  const isShown = (node: ts.Node, seen: Set<string>): boolean => {
    for (let at = node; at.parent; at = at.parent) {
      const { parent } = at;
      if (ts.isTryStatement(parent) && parent.tryBlock === at && parent.catchClause) return true;
      if (ts.isJsxAttribute(parent) && SHOWING.has(parent.name.getText())) return true;
      if (ts.isPropertyAssignment(parent) && SHOWING.has(parent.name.getText())) return true;
      if (ts.isCallExpression(parent)) {
        const callee = parent.expression;
        if (ts.isIdentifier(callee) && callee !== at && shows(callee.text)) return true;
      }
      if (
        ts.isPropertyAccessExpression(parent) &&
        parent.expression === at &&
        ts.isCallExpression(parent.parent) &&
        (parent.name.text === "catch" || (parent.name.text === "then" && parent.parent.arguments.length === 2))
      )
        return true;
      const declared = declaredAs(at);
      if (declared) {
        if (seen.has(declared)) return true;
        const uses = (named.get(declared) ?? []).filter(
          (each) => !isNameOf(each, at) && !ts.isTypeQueryNode(each.parent),
        );
        return uses.length > 0 && uses.every((each) => isShown(each, new Set([...seen, declared])));
      }
    }
    return false;
  };
  return calls
    .filter((call) => !isShown(call, new Set()))
    .map((call) => {
      const { line } = source.getLineAndCharacterOfPosition(call.getStart());
      return `${name}:${line + 1} ${call.getText().slice(0, 60)}`;
    });
}

/** The name of a function, by its declaration or the variable that it is in. */
function declaredAs(node: ts.Node): string | null {
  if (ts.isFunctionDeclaration(node) && node.name) return node.name.text;
  const isFunction = ts.isArrowFunction(node) || ts.isFunctionExpression(node);
  if (isFunction && ts.isVariableDeclaration(node.parent) && ts.isIdentifier(node.parent.name))
    return node.parent.name.text;
  return null;
}

const isNameOf = (identifier: ts.Identifier, declared: ts.Node): boolean =>
  identifier.parent === declared || identifier.parent === declared.parent;
