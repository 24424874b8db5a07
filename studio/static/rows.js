// Long lists: the server sends most rows with their names only; the rest of them is fetched a few at a time.

const ROWS_AT_ONCE = 150, PAUSE_MS = 30;

/**
 * Fill the rows marked `data-empty`, those on the screen first.
 * `address` answers `?key=...&key=...` with the whole rows; `filled` is called with each row that is complete.
 */
export async function fillRows(rows, address, filled = () => {}) {
  let empty = rows.filter((row) => "empty" in row.dataset);
  while (empty.length) {
    const some = next(empty);
    const answer = await fetch(`${address}?${new URLSearchParams(some.map((row) => ["key", row.dataset.key]))}`);
    if (!answer.ok) throw new Error("Not all photos could be listed. Reload the page.");
    const sent = new DOMParser().parseFromString(await answer.text(), "text/html");
    const full = new Map([...sent.querySelectorAll("[data-key]")].map((row) => [row.dataset.key, row]));
    for (const row of some) {
      fill(row, full.get(row.dataset.key));
      filled(row);
    }
    empty = empty.filter((row) => "empty" in row.dataset);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

function next(empty) {
  const onScreen = empty.findIndex((row) => !row.hidden && row.getBoundingClientRect().bottom > 0);
  const start = Math.max(0, Math.min(onScreen, empty.length - ROWS_AT_ONCE));
  return empty.slice(start, start + ROWS_AT_ONCE);
}

function fill(row, full) {
  delete row.dataset.empty;
  if (!full) return;  // it is gone since
  for (const { name, value } of full.attributes) if (name !== "tabindex") row.setAttribute(name, value);
  row.replaceChildren(...full.childNodes);
}
