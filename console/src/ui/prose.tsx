// A message of the API: what stands between backticks is code.
import { sentence } from "../lib/networks";

export function Prose({ text }: { text: string }) {
  return <Marked text={sentence(text)} />;
}

/** The same, for words that are a sentence already. */
export function Marked({ text }: { text: string }) {
  const parts = text.split("`");
  // An odd number of backticks is no markup.
  if (parts.length % 2 === 0) return <>{text}</>;
  return (
    <>
      {parts.map((part, index) =>
        index % 2 === 1 ? (
          <code key={index} className="mono inline">
            {part}
          </code>
        ) : (
          part
        ),
      )}
    </>
  );
}
