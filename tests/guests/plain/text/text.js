// Plain functions on text: nothing here knows who calls them.

const words = (text) => text.split(/\s+/u).filter((word) => word !== "");

export function slug(text) {
  const plain = text.normalize("NFKD").replace(/[\u0300-\u036f]/gu, "").toLowerCase();
  return plain.replace(/[^a-z0-9]+/gu, "-").replace(/^-+|-+$/gu, "");
}

export function count(text) {
  const seen = new Map();
  for (const word of words(text)) seen.set(word, (seen.get(word) ?? 0) + 1);
  let commonest;
  for (const [word, times] of seen) {
    if (commonest === undefined || times > seen.get(commonest)) commonest = word;
  }
  const lines = text === "" ? 0 : text.replace(/\n$/u, "").split("\n").length;
  return { characters: [...text].length, words: words(text).length, lines, commonest };
}

export function changeCase(text, to) {
  switch (to) {
    case "lower":
      return text.toLowerCase();
    case "upper":
      return text.toUpperCase();
    default:
      return text.toLowerCase().replace(/(^|\s)\S/gu, (letter) => letter.toUpperCase());
  }
}

export function replaceAll(text, pattern, replacement) {
  let expression;
  try {
    expression = new RegExp(pattern, "gu");
  } catch (error) {
    throw error.message;
  }
  return text.replace(expression, replacement ?? "");
}
