// Elements. Whatever comes from elsewhere (names, reasons) becomes text, and never markup.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

export function element(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

export function drawn(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

/** Sets the text where it is another one: what stays the same is not laid out, or read out, again. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function set(node, name, value) {
  if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

/**
 * One child of `parent` for each item, in order; those there are kept by key, so that focus and hover stay.
 * `make(item)` gives a node with a method `show(item)`.
 */
export function keep(parent, kept, items, keyOf, make) {
  const wanted = new Set(items.map(keyOf));
  for (const [key, one] of kept) {
    if (!wanted.has(key)) {
      one.node.remove();
      kept.delete(key);
    }
  }
  items.forEach((item, index) => {
    const key = keyOf(item);
    if (!kept.has(key)) kept.set(key, make(item));
    const { node } = kept.get(key);
    if (parent.children[index] !== node) parent.insertBefore(node, parent.children[index] ?? null);
    kept.get(key).show(item);
  });
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}
