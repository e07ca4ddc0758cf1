"use strict";
// Each list of mistakes can be narrowed down by label and by words; so many rows are shown at a time.
const PORTION = 20;

for (const block of document.querySelectorAll("[data-mistakes]")) {
  const filters = block.querySelector(".filters");
  if (!filters) continue;
  const rows = Array.from(block.querySelectorAll("ol.rows > li"), (item) => ({
    item,
    groups: JSON.parse(item.dataset.groups),
    text: (item.querySelector("[data-texts]")?.textContent ?? "").toLowerCase(),
  }));
  const selects = Array.from(filters.querySelectorAll("select"));
  const words = filters.querySelector("[data-words]");
  const count = filters.querySelector("[data-count]");
  const more = block.querySelector("[data-more]");
  let most = PORTION;

  function show() {
    const wanted = (words?.value ?? "").toLowerCase().split(/\s+/).filter(Boolean);
    const found = rows.filter(
      (row) =>
        selects.every((select) => !select.value || row.groups[Number(select.dataset.group)] === select.value) &&
        wanted.every((word) => row.text.includes(word)),
    );
    const shown = new Set(found.slice(0, most));
    for (const row of rows) row.item.hidden = !shown.has(row);
    const matching = found.length === rows.length ? `${rows.length} rows` : `${found.length} of ${rows.length} rows match`;
    count.textContent = shown.size < found.length ? `${matching}, the first ${shown.size} are shown` : matching;
    more.hidden = shown.size === found.length;
    more.textContent = `Show ${Math.min(PORTION, found.length - shown.size)} more`;
  }

  function again() {
    most = PORTION;
    show();
  }

  for (const control of [...selects, words]) control?.addEventListener("input", again);
  more.addEventListener("click", () => {
    most += PORTION;
    show();
    rows.filter((row) => !row.item.hidden)[most - PORTION]?.item.scrollIntoView({ block: "nearest" });
  });
  filters.hidden = false;
  show();
}
