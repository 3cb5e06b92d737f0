// What the palette finds. Pure: entries in, ranked entries out.

export interface Entry {
  id: string;
  group: "Networks" | "Actions" | "Go to";
  title: string;
  detail?: string;
  command?: string;
  run: () => void;
}

/** How well an entry fits: every word must occur; the start of a word counts more. 0 is no fit. */
export function score(entry: Pick<Entry, "title" | "detail">, query: string): number {
  const title = entry.title.toLowerCase();
  const text = `${title} ${entry.detail?.toLowerCase() ?? ""}`;
  let sum = 1;
  for (const word of query.toLowerCase().split(/\s+/)) {
    if (word === "") continue;
    if (!text.includes(word)) return 0;
    if (title === word) sum += 8;
    else if (title.startsWith(word)) sum += 5;
    else if (title.split(/[\s-]+/).some((part) => part.startsWith(word))) sum += 3;
    else sum += title.includes(word) ? 2 : 1;
  }
  return sum;
}

/** The entries that fit, best first; the order given decides between equals. */
export function search<T extends Pick<Entry, "title" | "detail">>(entries: readonly T[], query: string, limit = 40): T[] {
  return entries
    .map((entry, index) => ({ entry, index, points: score(entry, query) }))
    .filter(({ points }) => points > 0)
    .sort((a, b) => b.points - a.points || a.index - b.index)
    .slice(0, limit)
    .map(({ entry }) => entry);
}
