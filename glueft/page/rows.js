"use strict";
// Lists of rows can be narrowed down by choices and by words; so many rows are shown at a time. The address holds what
// is asked for, `#list&filter=choice`, so that it can be sent, and so that links can ask.
const PORTION = 20;
const lists = new Map();

for (const block of document.querySelectorAll("[data-rows]")) {
  const filters = block.querySelector(".filters");
  if (!filters) continue;
  const rows = Array.from(block.querySelectorAll("ol.rows > li"), (item) => ({
    item,
    groups: JSON.parse(item.dataset.groups),
    text: (item.querySelector("[data-texts]")?.textContent ?? "").toLowerCase(),
  }));
  const selects = Array.from(filters.querySelectorAll("select"));
  const words = filters.querySelector("[data-words]");
  const controls = words ? [...selects, words] : selects;
  const count = filters.querySelector("[data-count]");
  const clear = filters.querySelector("[data-clear]");
  const more = block.querySelector("[data-more]");
  let most = PORTION;

  function show() {
    const wanted = (words?.value ?? "").toLowerCase().split(/\s+/).filter(Boolean);
    const found = rows.filter(
      (row) =>
        selects.every((select, place) => !select.value || [row.groups[place]].flat().includes(select.value)) &&
        wanted.every((word) => row.text.includes(word)),
    );
    const shown = new Set(found.slice(0, most));
    for (const row of rows) row.item.hidden = !shown.has(row);
    const matching = found.length === rows.length ? `${rows.length} rows` : `${found.length} of ${rows.length} rows match`;
    count.textContent = shown.size < found.length ? `${matching}, the first ${shown.size} are shown` : matching;
    more.hidden = shown.size === found.length;
    more.textContent = `Show ${Math.min(PORTION, found.length - shown.size)} more`;
    clear.hidden = controls.every((control) => !control.value);
  }

  function again() {
    most = PORTION;
    show();
  }

  function remember() {
    const asked = new URLSearchParams(controls.filter((one) => one.value).map((one) => [one.name, one.value]));
    history.replaceState(null, "", `#${block.id}${asked.size ? "&" + asked : ""}`);
    again();
  }

  function ask(asked) {
    for (const control of controls) {
      control.value = asked.get(control.name) ?? "";
      if (control.selectedIndex === -1) control.value = "";
    }
    again();
    block.scrollIntoView({ behavior: "instant" });
  }

  for (const control of controls) control.addEventListener("input", remember);
  clear.addEventListener("click", () => {
    for (const control of controls) control.value = "";
    remember();
    controls[0]?.focus();
  });
  more.addEventListener("click", () => {
    most += PORTION;
    show();
    rows.filter((row) => !row.item.hidden)[most - PORTION]?.item.scrollIntoView({ block: "nearest" });
  });
  lists.set(block.id, ask);
  filters.hidden = false;
  show();
}

function follow() {
  const [key, ...asked] = location.hash.slice(1).split("&");
  lists.get(key)?.(new URLSearchParams(asked.join("&")));
}

addEventListener("hashchange", follow);
follow();
